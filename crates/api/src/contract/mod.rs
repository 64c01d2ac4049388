//! The contract as data: every operation with its method, path, parameters, bodies, responses and problems.
//!
//! The router routes what this table lists, the query parser accepts the parameters that it lists, and the
//! OpenAPI document is rendered from it. A route can therefore not be missing from the document, and a documented
//! operation always has a route.
//!
//! | module | contents |
//! |---|---|
//! | [`operations`] | the table |
//! | `backups` | the rows of the table about backups |
//! | `checks` | the row about the check of the data |
//! | `breakers` | the rows of the table about breakers |
//! | `reactions` | the rows of the table about reactions |
//! | `tokens` | the rows of the table about tokens |
//! | `schedules` | the rows of the table about schedules |
//! | [`parameters`] | parameters and response headers, each described once |
//! | [`schema`] | the JSON objects of requests and responses |
//! | [`document`] | the OpenAPI 3.1 document, docs/openapi.json |

mod backups;
mod breakers;
mod checks;
pub mod document;
mod idempotency;
mod limits;
mod operations;
pub mod parameters;
mod reactions;
mod schedules;
pub mod schema;
mod subjects;
mod tasks;
mod tenants;
mod tokens;
mod values;

use crate::catalogue::Code;
use model::Role;

pub use operations::Operation;

/// What a node that asks for tokens may respond with, to every operation that is not public.
const DENIALS: &[Code] = &[
    Code::TokenMissing,
    Code::TokenInvalid,
    Code::TokenExpired,
    Code::NotPermitted,
    Code::TooManyAttempts,
    Code::LimitReached,
    // Its tokens are not known yet.
    Code::NotReady,
];

/// Everything the contract says about one operation.
#[derive(Debug)]
pub struct Description {
    /// The `operationId`.
    pub id: &'static str,
    pub method: Method,
    /// The path, with its parameters in braces.
    pub path: &'static str,
    /// Who may run it. An operation without this does not compile.
    pub access: Access,
    pub tag: Tag,
    pub summary: &'static str,
    pub description: &'static str,
    pub parameters: &'static [&'static Parameter],
    /// The forms the request body may have; empty when there is none.
    pub request: &'static [Content],
    pub response: Response,
    /// The problems that the operation may respond with, in groups that operations share.
    pub problems: &'static [&'static [Code]],
}

/// Who may run an operation, on a node that asks for tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Everyone.
    Public,
    /// Who has a token with at least this role, whose prefixes cover what the operation concerns.
    Token(Role, Scope),
}

impl Access {
    const fn read(scope: Scope) -> Self {
        Self::Token(Role::Read, scope)
    }

    const fn write(scope: Scope) -> Self {
        Self::Token(Role::Write, scope)
    }

    const fn admin(scope: Scope) -> Self {
        Self::Token(Role::Admin, scope)
    }
}

/// Which names an operation concerns. Whatever this says, the names that a command uses are checked too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// None.
    Nothing,
    /// The one in the path.
    Name,
    /// Those in the body.
    Body,
    /// Many, of which it shows those that the token covers.
    Filtered,
    /// The whole store: only tokens without prefixes may run it.
    Store,
}

impl Scope {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Name => "name",
            Self::Body => "body",
            Self::Filtered => "filtered",
            Self::Store => "store",
        }
    }
}

/// The methods that operations use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    Get,
    Post,
    Put,
    Delete,
}

/// The sections of the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tag {
    Events,
    Transactions,
    Streams,
    Queues,
    Schedules,
    Reactions,
    Leases,
    Breakers,
    Values,
    Idempotency,
    Tokens,
    Subjects,
    Operations,
}

/// A parameter of a path, of a query, or a request header.
#[derive(Debug)]
pub struct Parameter {
    pub name: &'static str,
    pub location: Location,
    pub description: &'static str,
    pub values: Values,
}

/// Where a parameter is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Location {
    Path,
    Query,
    Header,
}

/// The values a parameter takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Values {
    Text,
    /// A whole number from 1.
    Number,
    /// A whole number and a unit.
    Duration,
    /// Texts; the parameter may be repeated.
    Texts,
    /// Texts that this regular expression matches.
    Matching(&'static str),
    OneOf(&'static [&'static str]),
}

/// A body in one media type.
#[derive(Debug)]
pub struct Content {
    pub media_type: &'static str,
    pub schema: Schema,
}

/// The form of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Schema {
    /// An object of [`schema`], by its name.
    Object(&'static str),
    /// An array of such objects.
    Array(&'static str),
    /// One of several such objects; in NDJSON, on each line.
    OneOf(&'static [&'static str]),
    /// Text of any form.
    Text,
    /// Bytes of any kind.
    Bytes,
    /// A JSON object that is described elsewhere.
    AnyObject,
}

/// The successful response. Its status is 200.
#[derive(Debug)]
pub struct Response {
    pub description: &'static str,
    pub content: &'static [Content],
    pub headers: &'static [&'static ResponseHeader],
}

/// A header of a response.
#[derive(Debug)]
pub struct ResponseHeader {
    /// In lower case, as HTTP/2 sends it.
    pub name: &'static str,
    pub description: &'static str,
}

impl Method {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }
}

impl Tag {
    pub const ALL: [Self; 13] = [
        Self::Events,
        Self::Transactions,
        Self::Streams,
        Self::Queues,
        Self::Schedules,
        Self::Reactions,
        Self::Leases,
        Self::Breakers,
        Self::Values,
        Self::Idempotency,
        Self::Tokens,
        Self::Subjects,
        Self::Operations,
    ];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Transactions => "transactions",
            Self::Streams => "streams",
            Self::Queues => "queues",
            Self::Schedules => "schedules",
            Self::Reactions => "reactions",
            Self::Leases => "leases",
            Self::Breakers => "breakers",
            Self::Values => "values",
            Self::Idempotency => "idempotency",
            Self::Tokens => "tokens",
            Self::Subjects => "subjects",
            Self::Operations => "operations",
        }
    }

    #[must_use]
    pub const fn description(self) -> &'static str {
        match self {
            Self::Events => "Append, read and follow events.",
            Self::Transactions => "Apply checks and writes all or nothing.",
            Self::Streams => "List streams, delete them, and control what they keep.",
            Self::Queues => "Enqueue tasks, claim and settle them, and operate queues.",
            Self::Schedules => "Enqueue tasks by the clock.",
            Self::Reactions => "Enqueue a task for each event that matches.",
            Self::Leases => "Elect leaders, lock, and limit how many work at a time, with fencing tokens.",
            Self::Breakers => "Stop calls that are likely to fail, for all workers at once.",
            Self::Values => "Agree on small named values.",
            Self::Idempotency => "Make your own endpoints safe to retry.",
            Self::Tokens => "Control who may do what.",
            Self::Subjects => "Make the data of one person unreadable for good.",
            Self::Operations => "Health, metrics and documentation of a node.",
        }
    }
}

impl Operation {
    #[must_use]
    pub const fn method(self) -> Method {
        self.description().method
    }

    #[must_use]
    pub const fn path(self) -> &'static str {
        self.description().path
    }

    /// The names of the query parameters.
    pub fn query_parameters(self) -> impl Iterator<Item = &'static str> {
        let query = |parameter: &&&Parameter| parameter.location == Location::Query;
        self.description().parameters.iter().filter(query).map(|parameter| parameter.name)
    }

    /// Whether the operation takes this parameter or header.
    #[must_use]
    pub fn takes(self, parameter: &Parameter) -> bool {
        self.description().parameters.iter().any(|known| known.name == parameter.name)
    }

    /// Whether a successful response has this header.
    #[must_use]
    pub fn sends(self, header: &ResponseHeader) -> bool {
        self.description().response.headers.iter().any(|known| known.name == header.name)
    }

    /// The problems that the operation may respond with.
    pub fn problems(self) -> impl Iterator<Item = Code> {
        let description = self.description();
        let denials: &[Code] = match description.access {
            Access::Public => &[],
            Access::Token(..) => DENIALS,
        };
        description.problems.iter().copied().flatten().chain(denials).copied()
    }

    /// The operation with this method whose path has the form of `path`.
    #[must_use]
    pub fn find(method: &str, path: &str) -> Option<Self> {
        let segments = |path: &'static str, found: &str| {
            let (mut known, mut found) = (path.split('/'), found.split('/'));
            loop {
                match (known.next(), found.next()) {
                    (None, None) => return true,
                    (Some(known), Some(found)) if known == found || known.starts_with('{') => {}
                    _ => return false,
                }
            }
        };
        Self::ALL
            .iter()
            .copied()
            .find(|operation| operation.method().as_str() == method && segments(operation.path(), path))
    }
}
