//! The token that a client sends. It does not show itself, so that it gets into no log.

use crate::error::{Error, Result};
use http::header::HeaderValue;
use std::fmt;

#[derive(Clone)]
pub(crate) struct Token(String);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

impl Token {
    /// White space around a token comes from the file that it was read from.
    pub(crate) fn new(token: impl Into<String>) -> Self {
        Self(token.into().trim().to_owned())
    }

    /// The value of `Authorization`.
    pub(crate) fn header(&self) -> Result<HeaderValue> {
        let unfit = || Error::Request("a token has only visible ASCII characters, without spaces".into());
        if self.0.is_empty() || !self.0.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(unfit());
        }
        let mut header = HeaderValue::from_str(&format!("Bearer {}", self.0)).map_err(|_| unfit())?;
        header.set_sensitive(true);
        Ok(header)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_sent_as_it_is_and_never_shown() {
        let token = Token::new("mst_1_2\n");
        let header = token.header().unwrap();
        assert_eq!(header.to_str().unwrap(), "Bearer mst_1_2");
        assert!(!format!("{token:?} {header:?}").contains("mst"), "{token:?} {header:?}");
        for text in ["", " ", "a b", "ż", "a\nb"] {
            let error = Token::new(text).header().unwrap_err().to_string();
            assert!(
                error.contains("visible ASCII") && (text.trim().is_empty() || !error.contains(text)),
                "{error}"
            );
        }
    }
}
