//! Incoming events: CloudEvents 1.0 in structured or binary mode become [`model::NewEvent`].
//!
//! | module | what it does |
//! |---|---|
//! | [`attributes`] | the attributes of one event, and the rules of CloudEvents for each |
//! | [`structured`] | an event as a JSON object |
//! | [`binary`] | an event as headers and a body |
//! | [`new_event`] | identity, fingerprint and the envelope that is stored |

mod attributes;
mod binary;
mod new_event;
mod structured;

pub(crate) use attributes::Attributes;
pub(crate) use binary::read_binary;
pub(crate) use new_event::{Recipient, write_base64};
pub(crate) use structured::{StreamMember, base64_len, read_structured};
