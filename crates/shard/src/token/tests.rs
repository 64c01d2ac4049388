//! Tables of cases for tokens and the audit stream. A script is a list of lines:
//!
//! ```text
//! new 7 write            a token with this id and role; also: for 500 (milliseconds)
//! revoke 7 | use 7
//! by 7 new 8 read        the same as an administrator's command: it is audited
//! ```
//!
//! Other lines are as in the tables of streams, and can be audited too.

use crate::query;
use crate::testing::{Store, name, play};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use format::row::{encode_number, tokens_key};
use model::{
    AUDIT_STREAM, Allowance, Audited, ChangeToken, Command, Effect, Outcome, Refusal, Role, Slot,
    TokenChange, TokenHash, TokenId, TokenSettings, limits,
};

#[derive(Default)]
struct Script(Store);

impl Script {
    fn run(&mut self, script: &str) -> String {
        play(script, |line| {
            if line.starts_with("wait ") {
                return self.0.run(line);
            }
            let said = self.0.apply(self.command(line));
            match &self.0.applied.outcomes[0] {
                Outcome::TokenCreated { created, expires } => match expires {
                    Some(expires) => format!("for {}", expires.0 - created.0),
                    None => "for good".to_string(),
                },
                Outcome::TokenRevoked => "revoked".to_string(),
                Outcome::TokenUsed => "used".to_string(),
                Outcome::Refused(Refusal::NoToken) => "no token".to_string(),
                Outcome::Refused(Refusal::TokenExists) => "exists".to_string(),
                Outcome::Refused(Refusal::TooManyTokens) => "too many".to_string(),
                _ => said,
            }
        })
    }

    fn command(&self, line: &str) -> Command<'static> {
        let words: Vec<&str> = line.split(' ').collect();
        let id = |word: &str| TokenId(word.parse().unwrap());
        let change = |token, change| Command::ChangeToken(ChangeToken { token, change });
        match words[..] {
            ["by", by, operation, ..] => {
                let (_, rest) = line.split_once(&format!("by {by} ")).unwrap();
                Command::Audited(Audited {
                    token: id(by),
                    name: "o\"ps".into(),
                    operation: operation.to_string().into(),
                    target: words.get(3).unwrap_or(&"").to_string().into(),
                    command: Box::new(self.command(rest)),
                })
            }
            ["new", token, role, ref rest @ ..] => {
                let role = Role::ALL.into_iter().find(|known| known.as_str() == role).unwrap();
                let settings = TokenSettings {
                    role,
                    prefixes: Vec::new(),
                    name: "".into(),
                    allowance: Allowance::default(),
                };
                let ttl_ms = rest.get(1).map(|ms| ms.parse().unwrap());
                change(id(token), TokenChange::Create { hash: TokenHash([1; 32]), settings, ttl_ms })
            }
            ["revoke", token] => change(id(token), TokenChange::Revoke),
            ["use", token] => change(id(token), TokenChange::Use),
            _ => self.0.command_of(line),
        }
    }

    /// The tokens: id, role, and how long after the first moment they were used and expire.
    fn tokens(&self) -> String {
        let tokens = query::tokens(&self.0.rows, Slot(0)).unwrap();
        let described = tokens.iter().map(|token| {
            let mut text = format!("{} {}", token.id.0, token.settings.role.as_str());
            if let Some(used) = token.used {
                text.push_str(&format!(" used {}", used.0 - 1_000_000));
            }
            if let Some(expires) = token.expires {
                text.push_str(&format!(" until {}", expires.0 - 1_000_000));
            }
            text
        });
        described.collect::<Vec<_>>().join(", ")
    }

    /// What the audit stream tells.
    fn told(&self) -> Vec<String> {
        let mut told = Vec::new();
        let mut rest = &self.0.bodies[..];
        while !rest.is_empty() {
            let (record, len) = format::body::decode(rest).unwrap();
            rest = &rest[len..];
            if record.stream == AUDIT_STREAM {
                told.push(core::str::from_utf8(record.envelope).unwrap().to_string());
            }
        }
        told
    }
}

#[track_caller]
fn check(cases: &[(&str, &str, &str, &str)]) {
    for (before, command, outcome, after) in cases {
        let mut script = Script::default();
        script.run(before);
        assert_eq!(script.run(command), *outcome, "the outcome of {command:?} after {before:?}");
        assert_eq!(script.tokens(), *after, "the tokens after {command:?} after {before:?}");
    }
}

#[test]
fn a_token_is_valid_until_it_is_revoked_or_its_time_is_over() {
    check(&[
        ("", "new 7 write", "for good", "7 write"),
        ("", "new 7 read for 500", "for 500", "7 read until 500"),
        ("wait 100", "new 7 read for 500", "for 500", "7 read until 600"),
        ("new 7 write", "revoke 7", "revoked", ""),
        ("new 7 write; new 8 read", "revoke 7", "revoked", "8 read"),
        ("", "revoke 7", "no token", ""),
        ("new 7 write; revoke 7", "revoke 7", "no token", ""),
        // A token whose time is over is there until it is revoked.
        ("new 7 read for 500; wait 900", "use 7", "used", "7 read used 900 until 500"),
    ]);
}

#[test]
fn a_token_never_gets_another_role() {
    check(&[
        ("new 7 read", "new 7 admin", "exists", "7 read"),
        ("new 7 read; revoke 7", "new 7 admin", "for good", "7 admin"),
        // The initial one is the configuration's.
        ("new 0 admin", "new 0 admin for 9", "for 9", "0 admin until 9"),
    ]);
}

#[test]
fn the_use_of_a_token_is_forgotten_with_it() {
    check(&[
        ("new 7 read; wait 5", "use 7", "used", "7 read used 5"),
        ("", "use 7", "no token", ""),
        ("new 7 read; wait 5; use 7; revoke 7", "new 7 read", "for good", "7 read"),
    ]);
}

#[test]
fn there_is_a_greatest_number_of_tokens() {
    let mut script = Script::default();
    script.run("new 0 admin; new 7 read");
    script.0.rows.insert(tokens_key(Slot(0)).to_vec(), encode_number(limits::TOKENS_MAX));
    assert_eq!(script.run("new 8 read"), "too many");
    assert_eq!(script.run("new 0 admin"), "for good");
    assert_eq!(script.run("revoke 7; new 8 read"), "for good");
}

/// A node's table of tokens is renewed by this.
#[test]
fn who_waits_for_changes_of_tokens_is_told_of_each() {
    let mut script = Script::default();
    for (line, is_told) in [
        ("new 7 read", true),
        ("use 7", false),
        ("new 7 admin", false),
        ("revoke 9", false),
        ("by 7 revoke 7", true),
        ("new 0 admin", true),
        ("new 0 admin", true),
    ] {
        script.run(line);
        let told = Effect::Notify { key: tokens_key(Slot(0)).to_vec() };
        assert_eq!(script.0.applied.effects.contains(&told), is_told, "{line}");
    }
}

#[test]
fn each_command_of_an_administrator_is_told_with_its_outcome() {
    let told = |event_type: &str, target: &str, outcome: &str| {
        format!(
            "{{\"specversion\":\"1.0\",\"type\":\"audit.{event_type}\",\"subject\":\"{target}\",\
             \"datacontenttype\":\"application/json\",\"data\":{{\"token\":\"0000000000000007\",\
             \"name\":\"o\\\"ps\",\"operation\":\"{event_type}\",\"target\":\"{target}\",\"outcome\":\"{outcome}\"}}}}"
        )
    };
    for (script, wanted) in [
        ("new 8 read; append cart a", &[][..]),
        ("by 7 new 8 read", &[told("new", "8", "done")]),
        ("by 7 revoke 8", &[told("revoke", "8", "refused")]),
        (
            "by 7 keep cart count 1; by 7 delete cart",
            &[told("keep", "cart", "done"), told("delete", "cart", "done")],
        ),
        ("by 7 delete cart if exists", &[told("delete", "cart", "refused")]),
    ] {
        let mut run = Script::default();
        run.run(script);
        assert_eq!(run.told(), wanted, "{script}");
    }
}

#[test]
fn an_audited_command_does_what_the_command_alone_does() {
    let mut script = Script::default();
    assert_eq!(script.run("by 7 append cart a b"), "0 1");
    assert_eq!(script.run("by 7 append cart if 7 c"), "part 0 is at 1");
    assert_eq!(script.0.state(), "$audit 0_ 1_, cart 0a 1b");
}

#[test]
fn the_audit_stream_keeps_its_last_events_even_if_someone_deletes_it() {
    let mut script = Script::default();
    for line in ["by 7 new 8 read", "delete $audit; by 7 revoke 8"] {
        script.run(line);
        let settings = query::stream(&script.0.rows, &name(AUDIT_STREAM)).unwrap().settings;
        assert_eq!(settings.max_count, Some(limits::AUDIT_EVENTS_MAX), "after {line}");
    }
    assert_eq!(script.0.state(), "$audit 1_");
}

#[test]
fn an_audited_command_in_another_one_is_refused() {
    let mut script = Script::default();
    script.run("by 7 by 8 new 9 read");
    assert_eq!(script.0.applied.outcomes, [Outcome::Refused(Refusal::Unsupported)]);
    assert_eq!(script.tokens(), "");
}
