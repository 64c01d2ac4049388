//! Tokens as they are. A secret is written once, when it is created.

use crate::json;
use crate::time::write_wall;
use model::{Allowance, TokenId, TokenSettings, Wall};

/// Everything about one token but its secret.
#[derive(Clone, Copy, Debug)]
pub struct Token<'a> {
    pub id: TokenId,
    pub settings: &'a TokenSettings<'a>,
    pub created: Wall,
    pub expires: Option<Wall>,
    pub used: Option<Wall>,
}

/// Writes a new token, with its secret.
pub fn write_created(out: &mut Vec<u8>, secret: &str, token: &Token<'_>) {
    out.extend_from_slice(b"{\"token\":");
    json::write_text(out, secret);
    out.push(b',');
    write_members(out, token);
}

/// Writes a token as an object.
pub fn write_token(out: &mut Vec<u8>, token: &Token<'_>) {
    out.push(b'{');
    write_members(out, token);
}

fn write_members(out: &mut Vec<u8>, token: &Token<'_>) {
    out.extend_from_slice(b"\"id\":");
    json::write_text(out, &token.id.to_string());
    out.extend_from_slice(b",\"role\":");
    json::write_text(out, token.settings.role.as_str());
    out.extend_from_slice(b",\"prefixes\":[");
    for (at, prefix) in token.settings.prefixes.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        json::write_text(out, prefix);
    }
    out.extend_from_slice(b"],\"name\":");
    json::write_text(out, &token.settings.name);
    for (name, part) in Allowance::NAMES.iter().zip(token.settings.allowance.parts()) {
        let Some(part) = part else { continue };
        out.extend_from_slice(b",\"");
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\":");
        json::write_number(out, part);
    }
    for (name, moment) in
        [("created", Some(token.created)), ("expires", token.expires), ("last_used", token.used)]
    {
        let Some(moment) = moment else { continue };
        out.extend_from_slice(b",\"");
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\":\"");
        write_wall(out, moment);
        out.push(b'"');
    }
    out.push(b'}');
}

/// Writes `{"id":...,"revoked":true}`
pub fn write_revoked(out: &mut Vec<u8>, id: TokenId) {
    out.extend_from_slice(b"{\"id\":");
    json::write_text(out, &id.to_string());
    out.extend_from_slice(b",\"revoked\":true}");
}
