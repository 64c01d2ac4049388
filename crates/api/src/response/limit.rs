//! Limits, as bodies of 200 responses.

use crate::json;
use crate::request::limit::write_members;
use crate::request::queue::tasks::write_duration;
use crate::response::page::write_list;
use model::LimitSettings;

/// What one key of a limit has in use.
#[derive(Clone, Copy, Debug)]
pub struct Key<'a> {
    pub key: &'a str,
    pub running: u64,
    /// Whether tasks wait for it.
    pub has_waiting: bool,
    /// How much longer a worker has closed it for.
    pub closed_ms: u64,
}

/// Writes `{"limit":...,"concurrency":...,"rate":...}`
pub fn write_settings(out: &mut Vec<u8>, limit: &str, settings: &LimitSettings) {
    write_start(out, limit, settings);
    out.push(b'}');
}

/// Writes `{"limit":...,"concurrency":...,"rate":...,"keys":[...],"more_keys":...}`
pub fn write_limit<'a>(
    out: &mut Vec<u8>,
    limit: &str,
    settings: &LimitSettings,
    keys: impl Iterator<Item = Key<'a>>,
    has_more_keys: MoreKeys,
) {
    write_start(out, limit, settings);
    out.extend_from_slice(b",\"keys\":[");
    for (at, key) in keys.enumerate() {
        out.extend_from_slice(if at == 0 { b"{\"key\":" } else { b",{\"key\":" });
        json::write_text(out, key.key);
        out.extend_from_slice(b",\"running\":");
        json::write_number(out, key.running);
        out.extend_from_slice(if key.has_waiting { b",\"waiting\":true" } else { b",\"waiting\":false" });
        if key.closed_ms > 0 {
            out.extend_from_slice(b",\"closed_for\":");
            write_duration(out, key.closed_ms);
        }
        out.push(b'}');
    }
    out.extend_from_slice(match has_more_keys {
        MoreKeys::Yes => b"],\"more_keys\":true}",
        MoreKeys::No => b"],\"more_keys\":false}",
    });
}

/// Whether a limit has more keys in use than were written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MoreKeys {
    Yes,
    No,
}

/// Writes `{"limit":...}`
pub fn write_deleted(out: &mut Vec<u8>, limit: &str) {
    out.extend_from_slice(b"{\"limit\":");
    json::write_text(out, limit);
    out.push(b'}');
}

/// Writes `{"limits":[{"limit":...}],"next":...}`
pub fn write_limits<'a>(out: &mut Vec<u8>, limits: impl Iterator<Item = &'a str>, next: Option<&str>) {
    write_list(out, "limits", limits, next, write_deleted);
}

fn write_start(out: &mut Vec<u8>, limit: &str, settings: &LimitSettings) {
    out.extend_from_slice(b"{\"limit\":");
    json::write_text(out, limit);
    out.push(b',');
    write_members(out, settings);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_shown_with_what_its_keys_have_in_use() {
        let settings = LimitSettings { concurrency: Some(2), rate: None };
        let key = Key { key: "acme", running: 2, has_waiting: true, closed_ms: 1_500 };
        let mut out = Vec::new();
        let keys = [key, Key { key: "", running: 1, has_waiting: false, closed_ms: 0 }];
        write_limit(&mut out, "api", &settings, keys.into_iter(), MoreKeys::No);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            r#"{"limit":"api","concurrency":2,"rate":null,"keys":[{"key":"acme","running":2,"waiting":true,"closed_for":"1500ms"},{"key":"","running":1,"waiting":false}],"more_keys":false}"#
        );
        let mut out = Vec::new();
        write_limits(&mut out, ["a", "b"].into_iter(), Some("/v1/limits?cursor=b"));
        assert_eq!(
            String::from_utf8(out).unwrap(),
            r#"{"limits":[{"limit":"a"},{"limit":"b"}],"next":"/v1/limits?cursor=b"}"#
        );
    }
}
