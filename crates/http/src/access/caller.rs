//! Who sent a request.

use super::table::Known;
use crate::context::Context;
use crate::response::Result;
use api::access::{check_names, target};
use api::contract::{Access, Operation};
use api::{Code, Problem};
use http::request;
use model::{Audited, Command, Role};
use std::sync::Arc;

/// Who sent a request, and so what it may use. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) enum Caller {
    /// The node's access is open.
    Everyone,
    /// The holder of a valid token, who was admitted to an operation.
    Token { token: Arc<Known>, operation: Operation },
    /// A request that was not admitted. It may do nothing.
    Nobody,
}

impl Caller {
    /// The caller of a request.
    pub(crate) fn of(context: &Context, parts: &request::Parts) -> Self {
        if context.access.is_open() {
            return Self::Everyone;
        }
        parts.extensions.get::<Self>().cloned().unwrap_or(Self::Nobody)
    }

    /// Whether the caller may read what has this name.
    pub(crate) fn covers(&self, name: &str) -> bool {
        match self {
            Self::Everyone => true,
            Self::Token { token, .. } => token.settings.covers(name),
            Self::Nobody => false,
        }
    }

    /// Whether the caller may read everything.
    pub(crate) fn covers_all(&self) -> bool {
        match self {
            Self::Everyone => true,
            Self::Token { token, .. } => token.settings.is_unlimited(),
            Self::Nobody => false,
        }
    }

    /// The command as the node gets it from this caller: one of an administrator is audited.
    ///
    /// # Errors
    /// When the caller may not use one of its names.
    pub(super) fn permitted(&self, command: Command<'static>) -> Result<Command<'static>> {
        match self {
            Self::Everyone => Ok(command),
            Self::Nobody => Err(Problem::new(Code::NotPermitted, "the request was not admitted")),
            Self::Token { token, operation } => {
                check_names(&command, &token.settings)?;
                if !is_administrative(*operation) {
                    return Ok(command);
                }
                Ok(Command::Audited(Audited {
                    token: token.id,
                    name: token.settings.name.clone(),
                    operation: operation.description().id.into(),
                    target: target(&command).into(),
                    command: Box::new(command),
                }))
            }
        }
    }
}

fn is_administrative(operation: Operation) -> bool {
    matches!(operation.description().access, Access::Token(Role::Admin, _))
}
