//! Tenants of queues, as bodies of 200 responses.

use super::page::write_next;
use crate::json;

/// A tenant of a queue.
#[derive(Clone, Copy, Debug)]
pub struct Tenant<'a> {
    /// Empty for tasks that name no tenant.
    pub name: &'a str,
    pub weight: u32,
    /// Unfinished tasks that do not run.
    pub waiting: u64,
    pub running: u64,
}

/// Writes `{"queue":...,"tenant":...,"weight":...}`
pub fn write_weight(out: &mut Vec<u8>, queue: &str, tenant: &str, weight: u32) {
    out.extend_from_slice(b"{\"queue\":");
    json::write_text(out, queue);
    out.extend_from_slice(b",\"tenant\":");
    json::write_text(out, tenant);
    out.extend_from_slice(b",\"weight\":");
    json::write_number(out, weight.into());
    out.push(b'}');
}

/// Writes `{"tenant":...,"weight":...,"waiting":...,"running":...}`
pub fn write_tenant(out: &mut Vec<u8>, tenant: &Tenant<'_>) {
    out.extend_from_slice(b"{\"tenant\":");
    json::write_text(out, tenant.name);
    out.push(b',');
    write_counts(out, tenant);
}

/// Writes `{"tenants":[...],"unnamed":{...},"next":...}`
pub fn write_tenants<'a>(
    out: &mut Vec<u8>,
    tenants: impl Iterator<Item = Tenant<'a>>,
    unnamed: &Tenant<'_>,
    next: Option<&str>,
) {
    out.extend_from_slice(b"{\"tenants\":[");
    for (at, tenant) in tenants.enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write_tenant(out, &tenant);
    }
    out.extend_from_slice(b"],\"unnamed\":{");
    write_counts(out, unnamed);
    write_next(out, next);
}

fn write_counts(out: &mut Vec<u8>, tenant: &Tenant<'_>) {
    out.extend_from_slice(b"\"weight\":");
    json::write_number(out, tenant.weight.into());
    out.extend_from_slice(b",\"waiting\":");
    json::write_number(out, tenant.waiting);
    out.extend_from_slice(b",\"running\":");
    json::write_number(out, tenant.running);
    out.push(b'}');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tenants_are_shown_with_what_they_have() {
        let tenant = Tenant { name: "acme", weight: 3, waiting: 5, running: 1 };
        let unnamed = Tenant { name: "", weight: 1, waiting: 0, running: 0 };
        let mut out = Vec::new();
        write_tenants(&mut out, [tenant].into_iter(), &unnamed, Some("/x"));
        assert_eq!(
            String::from_utf8(out).unwrap(),
            r#"{"tenants":[{"tenant":"acme","weight":3,"waiting":5,"running":1}],"unnamed":{"weight":1,"waiting":0,"running":0},"next":"/x"}"#
        );
        let mut out = Vec::new();
        write_weight(&mut out, "q", "acme", 3);
        assert_eq!(out, br#"{"queue":"q","tenant":"acme","weight":3}"#);
    }
}
