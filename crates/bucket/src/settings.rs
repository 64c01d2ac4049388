//! Where a bucket is, and who asks.

use crate::transport::Connector;
use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey};
use object_store::path::Path;
use object_store::{BackoffConfig, ClientConfigKey, RetryConfig};
use std::time::Duration;
use upkeep::{BucketCause, UpkeepError};

/// How URLs of buckets begin.
const SCHEME: &str = "s3://";
/// How often a request is repeated, and for how long: a store that does not respond is reported within a minute or two.
const RETRIES: usize = 6;
const RETRY_TIMEOUT: Duration = Duration::from_secs(60);

/// A bucket, and what the names of the objects in it begin with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    pub(crate) bucket: String,
    pub(crate) prefix: Path,
    /// What it is called in messages.
    pub(crate) label: String,
}

impl Location {
    /// Whether this is a URL of a bucket.
    #[must_use]
    pub fn is_url(text: &str) -> bool {
        text.starts_with(SCHEME)
    }

    /// Reads `s3://BUCKET/PREFIX`.
    ///
    /// # Errors
    /// It is not one.
    pub fn parse(url: &str) -> Result<Self, UpkeepError> {
        let refused = |what: &str| {
            let what = format!("{what}; a bucket is given as s3://BUCKET or s3://BUCKET/PREFIX");
            Err(UpkeepError::Bucket { bucket: url.to_owned(), what, cause: BucketCause::Settings })
        };
        let Some(rest) = url.strip_prefix(SCHEME) else { return refused("it is not a URL of a bucket") };
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if bucket.len() < 3 || bucket.len() > 63 || !bucket.bytes().all(is_name) {
            return refused("it names no bucket: that has 3 to 63 letters, digits, `-` and `.`");
        }
        let prefix = prefix.trim_matches('/');
        if prefix.split('/').any(|part| part == "." || part == "..") || prefix.contains(['?', '#']) {
            return refused("its prefix cannot be one");
        }
        let Ok(prefix) = Path::parse(prefix) else { return refused("its prefix cannot be one") };
        let label = if prefix.as_ref().is_empty() {
            format!("{SCHEME}{bucket}")
        } else {
            format!("{SCHEME}{bucket}/{prefix}")
        };
        Ok(Self { bucket: bucket.to_owned(), prefix, label })
    }

    /// The client, with credentials, region and endpoint from the variables that AWS tools use.
    pub(crate) fn client(&self) -> Result<AmazonS3, UpkeepError> {
        let backoff = BackoffConfig {
            init_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(5),
            base: 2.,
        };
        let retry = RetryConfig { backoff, max_retries: RETRIES, retry_timeout: RETRY_TIMEOUT };
        let settings = AmazonS3Builder::from_env().with_bucket_name(&self.bucket);
        let value = |key: AmazonS3ConfigKey| settings.get_config_value(&key);
        let endpoint = value(AmazonS3ConfigKey::S3Endpoint).or_else(|| value(AmazonS3ConfigKey::Endpoint));
        let may_be_plain = value(AmazonS3ConfigKey::Client(ClientConfigKey::AllowHttp));
        if endpoint.is_some_and(|url| url.starts_with("http:"))
            && may_be_plain.is_none_or(|may| may != "true")
        {
            let what = "AWS_ENDPOINT_URL begins with http, and a backup is not encrypted: AWS_ALLOW_HTTP=true allows it";
            return Err(self.unusable(what.to_owned()));
        }
        let built = settings.with_http_connector(Connector).with_retry(retry).build();
        built.map_err(|error| self.unusable(crate::failure::words(&error)))
    }

    fn unusable(&self, what: String) -> UpkeepError {
        UpkeepError::Bucket { bucket: self.label.clone(), what, cause: BucketCause::Settings }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_name_a_bucket_and_perhaps_a_prefix() {
        for (url, want) in [
            ("s3://backups", Some(("backups", "", "s3://backups"))),
            ("s3://backups/", Some(("backups", "", "s3://backups"))),
            ("s3://backups/eu/node-1/", Some(("backups", "eu/node-1", "s3://backups/eu/node-1"))),
            ("s3://", None),
            ("s3:///prefix", None),
            ("s3://ab", None),
            ("s3://user@host/x", None),
            ("s3://backups/../other", None),
            ("s3://backups/a//b", None),
            ("s3://backups/a?b", None),
            ("backups/a", None),
        ] {
            let found = Location::parse(url).ok();
            let found = found.as_ref().map(|it| (&it.bucket[..], it.prefix.as_ref(), &it.label[..]));
            assert_eq!(found, want, "{url}");
        }
    }
}
