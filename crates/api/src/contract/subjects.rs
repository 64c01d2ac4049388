//! The operations on subjects.

use super::operations::{ANY, BODY, COMMAND, DATA, OBJECT, QUERY, json};
use super::parameters::{AFTER_KEY, STORE};
use super::{Access, Content, Description, Method, Response, Schema, Scope, Tag};
use crate::catalogue::Code;

pub(super) const ERASE: Description = Description {
    id: "eraseSubject",
    method: Method::Post,
    path: "/v1/erasures",
    access: Access::admin(Scope::Store),
    tag: Tag::Subjects,
    summary: "Erase a subject",
    description: "Erases the key with which the events of a subject are sealed. From the response on, no reader of this node gets their content: they are read as `erased`, with their stream, revision, cursor and type. The same is true of every backup and archive, once the next one has replaced the copy of the keys there. An event of the same subject that is appended later has another key. Erasing a subject that the node has no key of changes nothing.",
    parameters: &[&STORE],
    request: &[json("Erasure")],
    response: Response {
        description: "The subject has no key any more.",
        content: &[json("SubjectErased")],
        headers: &[],
    },
    problems: &[ANY, DATA, BODY, OBJECT, COMMAND, QUERY, &[Code::NoSubjectKeys]],
};

pub(super) const COPY: Description = Description {
    id: "copySubjectKeys",
    method: Method::Get,
    path: "/v1/subject-keys",
    access: Access::admin(Scope::Store),
    tag: Tag::Subjects,
    summary: "Copy the keys of subjects",
    description: "Returns the header of the file of keys, the last key and the number of erased keys (4 bytes each, little-endian), and up to 8,192 records of 128 bytes after a key. Keys are wrapped: they are of use only with the operator's key. `mainstay backup` and `mainstay archive` keep such a copy.",
    parameters: &[&AFTER_KEY, &STORE],
    request: &[],
    response: Response {
        description: "The records.",
        content: &[Content { media_type: "application/octet-stream", schema: Schema::Bytes }],
        headers: &[],
    },
    problems: &[ANY, DATA, QUERY, &[Code::NoSubjectKeys, Code::DiskStalled]],
};
