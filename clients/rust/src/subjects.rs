//! Subjects, whose events a node with keys seals.

use crate::client::Client;
use crate::error::Result;
use crate::transport::{Call, Repeat};
use bytes::Bytes;
use http::Method;
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
struct Erased {
    erased: Option<String>,
}

impl Client {
    /// Erases the key with which the events of a subject are sealed. From then on, no reader gets their content. Returns since
    /// when the subject is erased, or `None` if the node has no key of it.
    ///
    /// # Errors
    /// [`crate::Error`]; a problem with the code `no_subject_keys` if the node seals nothing.
    pub async fn erase_subject(&self, subject: &str) -> Result<Option<String>> {
        let body = json!({"subject": subject}).to_string().into_bytes();
        let call = Call::new(Method::POST, "/v1/erasures").body("application/json", body);
        let erased: Erased = self.call_json(&call.repeat(Repeat::IfUnchanged)).await?;
        Ok(erased.erased)
    }

    /// The wrapped keys after one, as a backup keeps them.
    ///
    /// # Errors
    /// [`crate::Error`]; a problem with the code `no_subject_keys` if the node seals nothing.
    pub async fn subject_keys(&self, after: u32) -> Result<Bytes> {
        self.call(&Call::get(format!("/v1/subject-keys?after={after}"))).await
    }
}
