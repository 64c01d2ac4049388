//! docs/errors.md: one section per code of the catalogue. Every node serves the page at `/v1/errors`, where the
//! `type` of each problem points.

use crate::catalogue::{Code, ProblemKind};
use crate::problem::Problem;
use model::Revision;

/// The page, in Markdown.
#[must_use]
pub fn page() -> String {
    let example = Problem::new(Code::WrongRevision, "`cart-7` is at revision 41")
        .revision("current_revision", Some(Revision(41)))
        .to_bytes();
    let mut page = format!("{BEFORE_EXAMPLE}{}{AFTER_EXAMPLE}", String::from_utf8_lossy(&example));
    for code in Code::ALL {
        let ProblemKind { code, status, title, cause, action, retryable } = *code.kind();
        let retry = if retryable { "yes" } else { "no" };
        page.push_str(&format!(
            "\n## {code}\n\n**{status}: {title}.** Retryable: {retry}.\n\n{cause}\n\n*What to do:* {action}\n"
        ));
    }
    page
}

const BEFORE_EXAMPLE: &str = "\
# Errors

Every error response is a problem as defined by RFC 9457, with `Content-Type: application/problem+json`:

```json
";

const AFTER_EXAMPLE: &str = "
```

- `code` is stable, so programs can match on it. `title` and `action` are the same for every problem with that code;
  `detail` describes this occurrence.
- `retryable` says whether the same request, unchanged, may succeed later. Every 503 response has `Retry-After`.
- Further members say where the problem is: `member` (a path into the JSON that was sent, such as
  `writes[0].append.events[2].type`), `parameter`, `header`, `line` (from 1), `event` and `part` (from 0).
- After a response has begun, a problem arrives as the NDJSON line `{\"problem\": {...}}`, or as the SSE event
  `problem`.

Every node serves this page at `/v1/errors`. It is generated from the problem catalogue in
`crates/api/src/catalogue.rs`.
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_docs_have_a_section_for_each_code() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/errors.md");
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(path, page()).unwrap();
        }
        let written = std::fs::read_to_string(path).unwrap_or_default();
        assert!(written == page(), "docs/errors.md differs from the catalogue; BLESS=1 rewrites it");
    }
}
