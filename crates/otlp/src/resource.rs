//! Who sends: the attributes that a collector sees with every span and metric.

use percent_encoding::percent_decode_str;
use std::fmt;

/// Attributes with their values, each name once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    pub(crate) attributes: Vec<(String, String)>,
}

/// The text is not a list of `name=value`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadAttributes;

impl fmt::Display for BadAttributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected `name=value`, separated by commas, with values in percent encoding")
    }
}

impl std::error::Error for BadAttributes {}

impl Resource {
    /// A service of this name and version. `instance` tells it from others of the same name.
    #[must_use]
    pub fn new(service: &str, version: &str, instance: &str) -> Self {
        let attributes =
            [("service.name", service), ("service.version", version), ("service.instance.id", instance)];
        Self { attributes: attributes.map(|(name, value)| (name.to_owned(), value.to_owned())).into() }
    }

    /// Sets the attributes that a text such as `deployment.environment.name=test,k8s.pod.name=m-0` names, as the
    /// specification of OpenTelemetry has it for `OTEL_RESOURCE_ATTRIBUTES`.
    ///
    /// # Errors
    /// The text is not such a list.
    pub fn with(mut self, text: &str) -> Result<Self, BadAttributes> {
        for pair in text.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').ok_or(BadAttributes)?;
            let value = percent_decode_str(value.trim()).decode_utf8().map_err(|_| BadAttributes)?;
            self.set(name.trim(), &value);
        }
        Ok(self)
    }

    /// Gives the service another name.
    #[must_use]
    pub fn named(mut self, service: &str) -> Self {
        self.set("service.name", service);
        self
    }

    fn set(&mut self, name: &str, value: &str) {
        match self.attributes.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => value.clone_into(known),
            None => self.attributes.push((name.to_owned(), value.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_of_the_environment_replace_and_add() {
        let node = || Resource::new("mainstay", "1.2.3", "n1");
        for (text, changed) in [
            ("", Some(vec![])),
            ("a=b", Some(vec![("a", "b")])),
            (" a = b%2Cc , service.name=shop,", Some(vec![("a", "b,c"), ("service.name", "shop")])),
            ("a=b=c", Some(vec![("a", "b=c")])),
            ("a", None),
            ("a=%ff", None),
        ] {
            let read = node().with(text).ok().map(|resource| {
                let known = node().attributes;
                let changed = resource.attributes.into_iter().filter(|one| !known.contains(one));
                let mut changed: Vec<_> = changed.collect();
                changed.sort();
                changed
            });
            let owned = |pairs: Vec<(&str, &str)>| -> Vec<_> {
                pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
            };
            assert_eq!(read, changed.map(owned), "{text:?}");
        }
    }
}
