//! The operation that shows the last check of the data.

use super::operations::{ANY, json};
use super::{Access, Description, Method, Response, Scope, Tag};

pub(super) const SHOW: Description = Description {
    id: "checks",
    method: Method::Get,
    path: "/v1/check",
    access: Access::read(Scope::Store),
    tag: Tag::Operations,
    summary: "Show the last check of the data",
    description: "A node reads everything that it has stored from time to time, slowly, and compares it with its checksums. Returns how often, and what the last of these checks has found.",
    parameters: &[],
    request: &[],
    response: Response { description: "The last check.", content: &[json("Checks")], headers: &[] },
    problems: &[ANY],
};
