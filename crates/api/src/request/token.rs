//! `/v1/tokens`: what a token may do, and which one a request is about.

use crate::catalogue::Code;
use crate::contract::Operation;
use crate::json::Reader;
use crate::media;
use crate::problem::{Problem, Result};
use crate::request::head::Head;
use crate::request::object::{
    Known, invalid, missing, read_array, read_duration_in, read_number_in, read_object, read_optional_text,
    read_text,
};
use crate::request::query::ListNames;
use http::HeaderMap;
use model::{Allowance, Role, TokenId, TokenSettings, limits};
use std::borrow::Cow;

const MEMBERS: &str = "`role`, `prefixes`, `name`, `expires_after`, and limits: `requests_per_second`, `bytes_per_second`, \
     `subscribers_max` and `body_bytes_max`";

/// A token to be created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewToken {
    pub settings: TokenSettings<'static>,
    /// `None` if it never expires.
    pub ttl_ms: Option<u64>,
}

/// `GET /v1/tokens`
pub type ListTokens = ListNames<TokenId>;

impl ListTokens {
    /// # Errors
    /// When a parameter is unknown or cannot be used.
    pub fn parse(query: Option<&str>) -> Result<Self> {
        Self::read(Operation::ListTokens, query, |text: String| text.parse())
    }
}

/// The token's id in a segment of the path.
///
/// # Errors
/// When it is not the id of a token.
pub fn token_in_path(segment: &str) -> Result<TokenId> {
    super::decode(segment)?
        .parse()
        .map_err(|_| Problem::new(Code::TokenNotFound, "the id of a token is 16 hex digits, or `initial`"))
}

/// Reads a request for a new token.
///
/// # Errors
/// The problem with the request, which then has no effect.
pub fn create(headers: &HeaderMap, body: &[u8]) -> Result<NewToken> {
    let head = Head::read(headers)?;
    media::check_json(head.content_type)?;
    head.refuse_key("a token is shown once, so it cannot be stored as the response to a key")?;
    let mut reader = Reader::new(body)?;
    let (mut role, mut prefixes, mut name, mut ttl_ms) = (None, Vec::new(), String::new(), None);
    let mut allowance = Allowance::default().parts();
    read_object(&mut reader, MEMBERS, |member, reader| {
        match member {
            "role" => role = Some(read_role(reader)?),
            "prefixes" => prefixes = read_prefixes(reader)?,
            "name" => name = read_note(reader)?,
            "expires_after" => {
                ttl_ms = read_duration_in(reader, limits::TOKEN_TTL_MS_MIN..=limits::TOKEN_TTL_MS_MAX)?;
            }
            part => match Allowance::NAMES.iter().position(|name| *name == part) {
                Some(at) => allowance[at] = read_number_in(reader, Allowance::ranges()[at].clone())?,
                None => return Ok(Known::No),
            },
        }
        Ok(Known::Yes)
    })?;
    reader.end()?;
    let role = role.ok_or_else(|| missing("role"))?;
    let allowance = Allowance::of_parts(allowance);
    Ok(NewToken { settings: TokenSettings { role, prefixes, name: Cow::Owned(name), allowance }, ttl_ms })
}

fn read_role(reader: &mut Reader<'_>) -> Result<Role> {
    let text = read_text(reader)?;
    let role = Role::ALL.into_iter().find(|role| role.as_str() == text);
    role.ok_or_else(|| invalid("this must be \"read\", \"write\" or \"admin\""))
}

fn read_prefixes(reader: &mut Reader<'_>) -> Result<Vec<Cow<'static, str>>> {
    let mut prefixes = Vec::new();
    read_array(reader, |at, reader| {
        if at >= limits::TOKEN_PREFIXES_MAX {
            let detail = format!("a token has at most {} prefixes", limits::TOKEN_PREFIXES_MAX);
            return Err(Problem::new(Code::TooManyItems, detail));
        }
        let prefix = read_text(reader)?;
        if prefix.is_empty() || prefix.len() > limits::NAME_BYTES_MAX || prefix.chars().any(char::is_control)
        {
            let max = limits::NAME_BYTES_MAX;
            return Err(invalid(format!("a prefix has 1 to {max} bytes without control characters")));
        }
        prefixes.push(Cow::Owned(prefix));
        Ok(())
    })?;
    Ok(prefixes)
}

fn read_note(reader: &mut Reader<'_>) -> Result<String> {
    let name = read_optional_text(reader)?.unwrap_or_default().into_owned();
    let max = limits::TOKEN_NAME_BYTES_MAX;
    if name.len() > max || name.chars().any(char::is_control) {
        return Err(invalid(format!(
            "the name of a token has at most {max} bytes without control characters"
        )));
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::{CONTENT_TYPE, HeaderValue};

    #[test]
    fn a_token_has_a_role_and_may_have_prefixes_a_name_and_an_end() {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let read = |body: &str| create(&headers, body.as_bytes()).map_err(|problem| problem.code);
        let created =
            read(r#"{"role":"write","prefixes":["orders-","żółw"],"name":"billing","expires_after":"90d"}"#);
        let settings = TokenSettings {
            role: Role::Write,
            prefixes: vec!["orders-".into(), "żółw".into()],
            name: "billing".into(),
            allowance: Allowance::default(),
        };
        assert_eq!(created, Ok(NewToken { settings, ttl_ms: Some(90 * 86_400_000) }));
        let bare = TokenSettings {
            role: Role::Admin,
            prefixes: Vec::new(),
            name: "".into(),
            allowance: Allowance::default(),
        };
        assert_eq!(read(r#"{"role":"admin"}"#), Ok(NewToken { settings: bare.clone(), ttl_ms: None }));
        let limited = r#"{"role":"admin","requests_per_second":5,"bytes_per_second":16384,"subscribers_max":0,"body_bytes_max":1024}"#;
        let allowance = Allowance::of_parts([Some(5), Some(16_384), Some(0), Some(1_024)]);
        assert_eq!(
            read(limited),
            Ok(NewToken { settings: TokenSettings { allowance, ..bare }, ttl_ms: None })
        );
        let many = format!(r#"{{"role":"read","prefixes":[{}"a"]}}"#, "\"a\",".repeat(16));
        for (body, code) in [
            ("{}", Code::MissingMember),
            (r#"{"role":"root"}"#, Code::InvalidMember),
            (r#"{"role":null}"#, Code::InvalidMember),
            (r#"{"role":"read","prefix":"a"}"#, Code::UnknownMember),
            // An empty prefix would cover every name.
            (r#"{"role":"read","prefixes":[""]}"#, Code::InvalidMember),
            (r#"{"role":"read","prefixes":["a\nb"]}"#, Code::InvalidMember),
            (r#"{"role":"read","prefixes":"a"}"#, Code::InvalidMember),
            (&many, Code::TooManyItems),
            (r#"{"role":"read","expires_after":"0s"}"#, Code::InvalidMember),
            (r#"{"role":"read","expires_after":"90"}"#, Code::InvalidMember),
            (r#"{"role":"read","name":"a\u0000"}"#, Code::InvalidMember),
            (r#"{"role":"read","requests_per_second":0}"#, Code::InvalidMember),
            (r#"{"role":"read","bytes_per_second":16383}"#, Code::InvalidMember),
            (r#"{"role":"read","subscribers_max":1025}"#, Code::InvalidMember),
            (r#"{"role":"read","body_bytes_max":1023}"#, Code::InvalidMember),
            (r#"{"role":"read","body_bytes_max":8388609}"#, Code::InvalidMember),
        ] {
            assert_eq!(read(body), Err(code), "{body}");
        }
    }
}
