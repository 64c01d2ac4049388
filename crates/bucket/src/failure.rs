//! What went wrong, in words: never with what a store has sent back of a request, which names keys and signatures.

use object_store::client::{HttpError, HttpErrorKind};
use std::error::Error;
use upkeep::{BucketCause, UpkeepError};

/// More of what a store says than anyone reads.
const WORDS_MAX: usize = 300;
/// What paths of the service that gives credentials to machines of Amazon's begin with.
const METADATA: &str = "/latest/api/token";

/// An error about a bucket.
pub(crate) fn of(label: &str, error: &object_store::Error) -> UpkeepError {
    let text = error.to_string();
    let code = element(&text, "Code").unwrap_or_default();
    let cause = match error {
        _ if code == "NoSuchBucket" => BucketCause::Missing,
        // Where the crate looks last.
        _ if text.contains(METADATA) => BucketCause::Settings,
        object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. } => {
            BucketCause::Denied
        }
        object_store::Error::NotImplemented { .. } | object_store::Error::NotSupported { .. } => {
            BucketCause::Unsupported
        }
        _ if transport(error).is_some() => BucketCause::Unreachable,
        _ => BucketCause::Failed,
    };
    let what = match cause {
        BucketCause::Missing => "there is no such bucket".to_owned(),
        BucketCause::Settings => {
            "no credentials are given, and this machine has no role that gives any".to_owned()
        }
        BucketCause::Unreachable => format!("the store cannot be reached: {}", words(error)),
        BucketCause::Denied => format!("the store has refused the request: {}", words(error)),
        _ => words(error),
    };
    UpkeepError::Bucket { bucket: label.to_owned(), what, cause }
}

/// What an error says, shortened.
pub(crate) fn words(error: &object_store::Error) -> String {
    if let Some(transport) = transport(error) {
        return transport.to_string();
    }
    let text = match error {
        object_store::Error::Generic { source, .. } => source.to_string(),
        _ => error.to_string(),
    };
    let said = match (element(&text, "Code"), element(&text, "Message")) {
        (Some(code), Some(message)) => format!("{message} ({code})"),
        (Some(code), None) => code.to_owned(),
        // Whatever else a store has sent.
        _ => text.split(['<', '{']).next().unwrap_or_default().trim_end_matches([' ', ':']).to_owned(),
    };
    let said: String = said.chars().filter(|c| !c.is_control()).take(WORDS_MAX).collect();
    if said.is_empty() { "the store has failed".to_owned() } else { said }
}

/// The failure of HTTP below an error.
fn transport(error: &object_store::Error) -> Option<String> {
    let mut source = error.source();
    while let Some(error) = source {
        if let Some(http) = error.downcast_ref::<HttpError>() {
            let mut last: &dyn Error = http;
            while let Some(below) = last.source() {
                last = below;
            }
            let kind = match http.kind() {
                HttpErrorKind::Connect => "no connection",
                HttpErrorKind::Timeout => "it took too long",
                _ => "the connection failed",
            };
            return Some(format!("{kind} ({last})"));
        }
        source = error.source();
    }
    None
}

/// The text of an element of XML.
fn element<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, after) = text.split_once(&format!("<{name}>"))?;
    after.split_once("</").map(|(text, _)| text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_told_in_the_words_of_the_store_and_without_what_it_repeats_of_the_request() {
        let body = "status 403: <Error><Code>SignatureDoesNotMatch</Code><Message>Check your key.</Message>\
                    <AWSAccessKeyId>AKIDEXAMPLE</AWSAccessKeyId><StringToSign>x</StringToSign></Error>";
        let error = object_store::Error::PermissionDenied { path: "a".to_owned(), source: body.into() };
        let told = of("s3://b", &error).to_string();
        assert_eq!(
            told,
            "s3://b: the store has refused the request: Check your key. (SignatureDoesNotMatch)"
        );
        let other =
            object_store::Error::Generic { store: "S3", source: "html <body>AKIDEXAMPLE</body>".into() };
        assert!(!of("s3://b", &other).to_string().contains("AKID"));
        let missing = object_store::Error::NotFound {
            path: "a".to_owned(),
            source: "<Code>NoSuchBucket</Code>".into(),
        };
        assert!(of("s3://b", &missing).to_string().ends_with("no such bucket"));
    }
}
