//! Leases and values in the tables of cases.

use super::{Store, slot_and_rows, target};
use crate::lease::{load_row, load_waiter};
use alloc::borrow::Cow;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use format::row::{LeaseRow, ValueRow};
use model::{
    AcquireLease, Command, Cursor, DeleteValue, Elapsed, ExpireLeases, LeaseName, Namespace, Position,
    PutValue, ReleaseLease, RenewLease, ValueName, WithdrawLease,
};

/// The kinds of rows, as in `format::row`.
const LEASE: u8 = 5;
const VALUE: u8 = 6;
const WAITER: u8 = 21;
const TIMER: u8 = 136;
const PREFIX: usize = 7;

impl Store {
    pub(super) fn lease_or_value(&self, verb: &str, rest: &str) -> Option<Command<'static>> {
        let of = || rest.split_once(" of ").unwrap();
        Some(match verb {
            "acquire" => Command::AcquireLease(acquire(rest)),
            "renew" => {
                let (lease, rest) = of();
                let (holder, ttl) = rest.split_once(" ttl ").map_or((rest, None), |(a, b)| (a, Some(b)));
                let ttl_ms = ttl.map(|ttl| ttl.parse().unwrap());
                Command::RenewLease(RenewLease {
                    lease: lease_name(lease),
                    token: self.token(lease, holder).0,
                    ttl_ms,
                })
            }
            "release" => {
                let (lease, holder) = of();
                let token = self.token(lease, holder).0;
                Command::ReleaseLease(ReleaseLease { lease: lease_name(lease), token })
            }
            "withdraw" => {
                let (lease, holder) = of();
                Command::WithdrawLease(WithdrawLease {
                    lease: lease_name(lease),
                    holder: Cow::Owned(holder.to_string()),
                    asked: self.token(lease, holder).1,
                })
            }
            "hand" => {
                let (slot, leases_max) = slot_and_rows(rest);
                Command::ExpireLeases(ExpireLeases { slot, from: Elapsed(0), leases_max })
            }
            "put" => {
                let (value, expected, words) = target(rest);
                Command::PutValue(PutValue {
                    keyed: None,
                    value: value_name(value.as_str()),
                    expected,
                    content_type: Cow::Borrowed("text/plain"),
                    content: Cow::Owned(words[0].as_bytes().to_vec()),
                })
            }
            "remove" => {
                let (value, expected, _) = target(rest);
                Command::DeleteValue(DeleteValue { value: value_name(value.as_str()), expected })
            }
            _ => return None,
        })
    }

    /// The last token of a holder, and when it asked for the last time.
    pub(crate) fn token(&self, lease: &str, holder: &str) -> (Cursor, Position) {
        self.tokens[&(lease.to_string(), holder.to_string())]
    }

    pub(super) fn learn_tokens(&mut self) {
        for (name, row) in self.lease_rows() {
            let slot = lease_name(&name).slot(Namespace::ROOT);
            for holder in row.holders {
                let known = (Cursor::new(holder.token, slot), holder.asked);
                self.tokens.insert((name.clone(), holder.holder), known);
            }
            for holder in self.queue(&name) {
                let row = load_waiter(slot, &lease_name(&name), &holder, &self.rows).unwrap().unwrap();
                let known = self.tokens.entry((name.clone(), holder));
                known.or_insert((Cursor::START, Position::ZERO)).1 = row.asked;
            }
        }
    }

    pub(crate) fn lease_row(&self, lease: &str) -> Option<LeaseRow> {
        let name = lease_name(lease);
        load_row(name.slot(Namespace::ROOT), &name, &self.rows).unwrap()
    }

    fn lease_rows(&self) -> Vec<(String, LeaseRow)> {
        let rows = self.rows.iter().filter(|(key, _)| key[6] == LEASE);
        let row = |(key, value): (&Vec<u8>, &Vec<u8>)| {
            (String::from_utf8(key[PREFIX..].to_vec()).unwrap(), LeaseRow::decode(value).unwrap())
        };
        let mut rows: Vec<_> = rows.map(row).collect();
        rows.sort_by(|(a, _), (b, _)| a.cmp(b));
        rows
    }

    /// Who waits for a lease, in order.
    pub(crate) fn queue(&self, lease: &str) -> Vec<String> {
        let name = lease_name(lease);
        let (mut queue, mut before) = (Vec::new(), None);
        let ends = self.lease_row(lease).and_then(|row| row.ends);
        let mut next = ends.as_ref().map(|ends| ends.first.clone());
        while let Some(holder) = next {
            let row = load_waiter(name.slot(Namespace::ROOT), &name, &holder, &self.rows).unwrap().unwrap();
            assert_eq!(row.before, before, "the list reads the same in both directions");
            before = Some(holder.clone());
            queue.push(holder);
            next = row.after;
        }
        assert_eq!(queue.last(), ends.as_ref().map(|ends| &ends.last));
        queue
    }

    /// The numbers of rows of leases, of waiting holders, and of timers of leases.
    pub(crate) fn rows_of_leases(&self) -> [usize; 3] {
        [LEASE, WAITER, TIMER].map(|kind| self.rows.keys().filter(|key| key[6] == kind).count())
    }

    /// Each lease with its holders, then the waiting ones.
    pub(super) fn leases(&self) -> Vec<String> {
        let describe = |(name, row): (String, LeaseRow)| {
            let mut text = format!("{name}:");
            for holder in &row.holders {
                let off = if self.elapsed < holder.expires { "" } else { " off" };
                text.push_str(&format!(" {}{off}", holder.holder));
            }
            let queue = self.queue(&name);
            assert_eq!(queue.len(), row.waiting as usize);
            if !queue.is_empty() {
                text.push_str(&format!(" < {}", queue.join(" ")));
            }
            text
        };
        self.lease_rows().into_iter().map(describe).collect()
    }

    pub(super) fn values(&self) -> Vec<String> {
        let rows = self.rows.iter().filter(|(key, _)| key[6] == VALUE);
        let describe = |(key, value): (&Vec<u8>, &Vec<u8>)| {
            let name = core::str::from_utf8(&key[PREFIX..]).unwrap();
            let row = ValueRow::decode(value).unwrap();
            match row.content {
                None => format!("{name} removed {}", row.revision),
                Some(content) => {
                    format!("{name} {}={}", row.revision, core::str::from_utf8(content.bytes).unwrap())
                }
            }
        };
        rows.map(describe).collect()
    }
}

fn acquire(text: &str) -> AcquireLease<'static> {
    let (lease, rest) = text.split_once(" by ").unwrap();
    let words: Vec<&str> = rest.split(' ').collect();
    let mut acquire = AcquireLease {
        lease: lease_name(lease),
        holder: Cow::Owned(words[0].to_string()),
        ttl_ms: 1_000,
        hold_off_ms: 0,
        permits: 1,
        wait_ms: 0,
    };
    for pair in words[1..].chunks(2) {
        let number: u64 = pair[1].parse().unwrap();
        match pair[0] {
            "ttl" => acquire.ttl_ms = number,
            "hold" => acquire.hold_off_ms = number,
            "wait" => acquire.wait_ms = number,
            "permits" => acquire.permits = number as u32,
            other => panic!("{other} is not an option of acquire"),
        }
    }
    acquire
}

pub(super) fn lease_name(name: &str) -> LeaseName<'static> {
    LeaseName::new(name.to_string()).unwrap()
}

pub(super) fn value_name(name: &str) -> ValueName<'static> {
    ValueName::new(name.to_string()).unwrap()
}
