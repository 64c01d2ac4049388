//! Events (CloudEvents 1.0), and the small types around them.
//!
//! `data` is kept as the JSON text that was sent, number for number, until the caller asks for a type.

use crate::error::{Error, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::{self, DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::fmt;

/// An event's number in its own stream, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Revision(pub u64);

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An event's location in the order of the whole store. Opaque; the order of the texts is the order of the
/// events. It has no meaning in another store.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cursor(pub String);

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The condition that a write carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Expected {
    /// No condition.
    #[default]
    Any,
    /// The stream does not exist.
    None,
    /// The stream exists.
    Exists,
    /// The stream's last revision is this one.
    Revision(Revision),
}

impl From<Option<Revision>> for Expected {
    /// The last revision that a read reported: `None` when the stream does not exist.
    fn from(last: Option<Revision>) -> Self {
        last.map_or(Self::None, Self::Revision)
    }
}

/// An event to append. The client gives it an `id` if it has none, so that sending it again is safe.
///
/// ```
/// use mainstay_client::NewEvent;
/// # fn main() -> Result<(), mainstay_client::Error> {
/// let event = NewEvent::new("cart.item-added").subject("cart-7").data(&serde_json::json!({"sku": "b-12"}))?;
/// # let _ = event; Ok(()) }
/// ```
#[derive(Clone, Debug, Serialize)]
pub struct NewEvent {
    specversion: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    /// Whether the client generated the id.
    #[serde(skip)]
    id_is_made: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<String>,
    r#type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    datacontenttype: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dataschema: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data_base64: Option<String>,
    #[serde(flatten)]
    extensions: Map<String, Value>,
}

impl NewEvent {
    /// An event of this type, without data.
    #[must_use]
    pub fn new(event_type: impl Into<String>) -> Self {
        Self {
            specversion: "1.0",
            id: None,
            id_is_made: false,
            source: None,
            r#type: event_type.into(),
            subject: None,
            time: None,
            datacontenttype: None,
            dataschema: None,
            data: None,
            data_base64: None,
            extensions: Map::new(),
        }
    }

    /// Converts a value that serialises to `{"type": ..., "data": ...}`, such as an adjacently tagged enum.
    ///
    /// ```
    /// use serde::{Deserialize, Serialize};
    /// #[derive(Serialize, Deserialize)]
    /// #[serde(tag = "type", content = "data")]
    /// enum CartEvent {
    ///     #[serde(rename = "cart.item-added")]
    ///     ItemAdded { sku: String, count: u32 },
    ///     #[serde(rename = "cart.emptied")]
    ///     Emptied,
    /// }
    /// # fn main() -> Result<(), mainstay_client::Error> {
    /// let event = mainstay_client::NewEvent::typed(&CartEvent::ItemAdded { sku: "b-12".into(), count: 2 })?;
    /// # let _ = event; Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Error::Encode`] when the value is not of that form.
    pub fn typed(event: &impl Serialize) -> Result<Self> {
        #[derive(Deserialize)]
        struct Typed {
            r#type: String,
            data: Option<Box<RawValue>>,
        }
        let text = serde_json::to_string(event).map_err(Error::Encode)?;
        let typed: Typed = serde_json::from_str(&text).map_err(Error::Encode)?;
        let mut new = Self::new(typed.r#type);
        new.data = typed.data;
        Ok(new)
    }

    /// Sets the event's id, which must be unique among the events of its `source`. Prefer a natural id, such
    /// as an order number or a message id: a repeat by another process is then recognised too.
    #[must_use]
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self.id_is_made = false;
        self
    }

    /// Sets where the event comes from, as a URI reference. By default the server fills in `/streams/NAME`.
    #[must_use]
    pub fn source(mut self, source: impl Into<String>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Sets what the event is about.
    #[must_use]
    pub fn subject(mut self, subject: impl Into<String>) -> Self {
        self.subject = Some(subject.into());
        self
    }

    /// Sets when the event happened, in RFC 3339. By default the server fills in when it was recorded.
    #[must_use]
    pub fn time(mut self, time: impl Into<String>) -> Self {
        self.time = Some(time.into());
        self
    }

    /// Sets the schema of `data`, as a URI.
    #[must_use]
    pub fn dataschema(mut self, dataschema: impl Into<String>) -> Self {
        self.dataschema = Some(dataschema.into());
        self
    }

    /// Adds a CloudEvents extension. Its name consists of lower-case letters and digits; its value is a
    /// string, a 32-bit integer or a boolean.
    #[must_use]
    pub fn extension(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.extensions.insert(name.into(), value.into());
        self
    }

    /// Sets the event's data, as JSON.
    ///
    /// # Errors
    /// [`Error::Encode`] when the value cannot be written as JSON.
    pub fn data(mut self, data: &impl Serialize) -> Result<Self> {
        self.data = Some(serde_json::value::to_raw_value(data).map_err(Error::Encode)?);
        self.data_base64 = None;
        Ok(self)
    }

    /// Sets the event's data, as bytes of another content type.
    #[must_use]
    pub fn bytes(mut self, content_type: impl Into<String>, bytes: impl AsRef<[u8]>) -> Self {
        self.datacontenttype = Some(content_type.into());
        self.data = None;
        self.data_base64 = Some(STANDARD.encode(bytes));
        self
    }

    pub(crate) fn known_id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// The same event with an id, if it has none.
    pub(crate) fn named(mut self) -> Self {
        if self.id.is_none() {
            self.id = Some(crate::id::new_id());
            self.id_is_made = true;
        }
        self
    }

    /// The same event without the id that [`Self::named`] generated.
    pub(crate) fn unnamed(mut self) -> Self {
        if self.id_is_made {
            self.id = None;
        }
        self
    }
}

/// An event as the store recorded it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RecordedEvent {
    pub stream: String,
    pub revision: Revision,
    pub cursor: Cursor,
    /// When the store recorded it, in RFC 3339.
    pub recorded_time: String,
    pub id: String,
    pub source: String,
    pub event_type: String,
    pub subject: Option<String>,
    /// When it happened, in RFC 3339.
    pub time: Option<String>,
    pub datacontenttype: Option<String>,
    pub dataschema: Option<String>,
    /// The data as the JSON text that was sent, unless it was sent as bytes.
    pub data: Option<Box<RawValue>>,
    /// The data in base64, when it is neither JSON nor text.
    pub data_base64: Option<String>,
    pub extensions: Map<String, Value>,
}

impl RecordedEvent {
    /// Decodes the data. An event without data decodes as `null`.
    ///
    /// # Errors
    /// [`Error::Decode`] when the data is not of that type.
    pub fn data<T: DeserializeOwned>(&self) -> Result<T> {
        let text = self.data.as_ref().map_or("null", |data| data.get());
        serde_json::from_str(text).map_err(|source| Error::Decode { revision: self.revision, source })
    }

    /// The data as bytes, if it was sent as bytes.
    #[must_use]
    pub fn bytes(&self) -> Option<Vec<u8>> {
        self.data_base64.as_ref().and_then(|text| STANDARD.decode(text).ok())
    }

    /// The event as one value of an adjacently tagged enum: the reverse of [`NewEvent::typed`].
    ///
    /// # Errors
    /// [`Error::Decode`] when the enum has no variant for this type, or the variant has other data.
    pub fn typed<T: DeserializeOwned>(&self) -> Result<T> {
        #[derive(Serialize)]
        struct Typed<'a> {
            r#type: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            data: Option<&'a RawValue>,
        }
        let decode = |source| Error::Decode { revision: self.revision, source };
        let typed = Typed { r#type: &self.event_type, data: self.data.as_deref() };
        let text = serde_json::to_string(&typed).map_err(decode)?;
        serde_json::from_str(&text).map_err(decode)
    }
}

/// Written by hand, because serde's `flatten`, needed for the extensions, would not keep `data` as raw text.
impl<'de> Deserialize<'de> for RecordedEvent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(RecordedVisitor)
    }
}

struct RecordedVisitor;

impl<'de> Visitor<'de> for RecordedVisitor {
    type Value = RecordedEvent;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a recorded event")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RecordedEvent, A::Error> {
        let (mut stream, mut revision, mut cursor, mut recorded_time) = (None, None, None, None);
        let (mut id, mut source, mut event_type, mut subject, mut time) = (None, None, None, None, None);
        let (mut datacontenttype, mut dataschema, mut data, mut data_base64) = (None, None, None, None);
        let mut extensions = Map::new();
        while let Some(member) = map.next_key::<String>()? {
            match member.as_str() {
                "stream" => stream = Some(map.next_value()?),
                "revision" => revision = Some(map.next_value()?),
                "cursor" => cursor = Some(map.next_value()?),
                "recordedtime" => recorded_time = Some(map.next_value()?),
                "specversion" => drop(map.next_value::<de::IgnoredAny>()?),
                "id" => id = Some(map.next_value()?),
                "source" => source = Some(map.next_value()?),
                "type" => event_type = Some(map.next_value()?),
                "subject" => subject = map.next_value()?,
                "time" => time = map.next_value()?,
                "datacontenttype" => datacontenttype = map.next_value()?,
                "dataschema" => dataschema = map.next_value()?,
                "data" => data = Some(map.next_value()?),
                "data_base64" => data_base64 = map.next_value()?,
                _ => drop(extensions.insert(member, map.next_value()?)),
            }
        }
        let missing = de::Error::missing_field;
        Ok(RecordedEvent {
            stream: stream.ok_or_else(|| missing("stream"))?,
            revision: revision.ok_or_else(|| missing("revision"))?,
            cursor: cursor.ok_or_else(|| missing("cursor"))?,
            recorded_time: recorded_time.ok_or_else(|| missing("recordedtime"))?,
            id: id.ok_or_else(|| missing("id"))?,
            source: source.ok_or_else(|| missing("source"))?,
            event_type: event_type.ok_or_else(|| missing("type"))?,
            subject,
            time,
            datacontenttype,
            dataschema,
            data,
            data_base64,
            extensions,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_new_event_is_written_as_a_cloud_event() {
        let event =
            NewEvent::new("t").id("1").source("/s").extension("trace", "x").data(&json!([1.50])).unwrap();
        assert_eq!(
            serde_json::to_string(&event).unwrap(),
            r#"{"specversion":"1.0","id":"1","source":"/s","type":"t","data":[1.5],"trace":"x"}"#
        );
        let bytes = NewEvent::new("t").bytes("image/png", [1, 2, 255]);
        assert!(serde_json::to_string(&bytes).unwrap().contains(r#""data_base64":"AQL/""#));
    }

    #[test]
    fn data_comes_back_number_for_number() {
        let line = r#"{"stream":"s","revision":3,"cursor":"0a","recordedtime":"2010-10-02T07:20:39.266Z",
            "specversion":"1.0","id":"1","source":"/s","type":"t","count":2,"data":{"a": 1.50, "a":2}}"#;
        let event: RecordedEvent = serde_json::from_str(line).unwrap();
        assert_eq!(event.data.as_ref().map(|data| data.get()), Some(r#"{"a": 1.50, "a":2}"#));
        assert_eq!((event.revision, event.extensions["count"].clone()), (Revision(3), json!(2)));
    }

    #[test]
    fn typed_events_survive_the_way_there_and_back() {
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "type", content = "data")]
        enum CartEvent {
            #[serde(rename = "cart.item-added")]
            ItemAdded { sku: String },
            #[serde(rename = "cart.emptied")]
            Emptied,
        }
        for want in [CartEvent::ItemAdded { sku: "b".into() }, CartEvent::Emptied] {
            let mut object =
                serde_json::to_value(NewEvent::typed(&want).unwrap().id("1").source("/s")).unwrap();
            for (member, value) in [("stream", json!("s")), ("revision", json!(0)), ("cursor", json!("0"))] {
                object[member] = value;
            }
            object["recordedtime"] = json!("2010-10-02T07:20:39.266Z");
            let recorded: RecordedEvent = serde_json::from_str(&object.to_string()).unwrap();
            assert_eq!(recorded.typed::<CartEvent>().unwrap(), want);
            assert!(recorded.typed::<u32>().is_err());
        }
    }

    #[test]
    fn an_event_without_an_id_is_given_one_and_keeps_it() {
        let named = NewEvent::new("t").named();
        assert_eq!(named.clone().named().id, named.id);
        assert!(named.id.is_some());
        assert_eq!(named.unnamed().id, None);
        assert_eq!(NewEvent::new("t").id("own").named().unnamed().known_id(), Some("own"));
    }
}
