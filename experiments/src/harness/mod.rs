//! What experiments are made of.
//!
//! | module | what it is |
//! |---|---|
//! | [`service`] | something to call, which can be slow, silent, down or weak |
//! | [`client`], [`outgoing`] | how it is called: plainly, or under a policy |
//! | [`load`] | who calls, and when |
//! | [`record`] | what came of it |
//! | [`picture`] | that over time, for a terminal |

pub(crate) mod client;
pub(crate) mod load;
pub(crate) mod outgoing;
pub(crate) mod picture;
pub(crate) mod record;
pub(crate) mod service;

/// An experiment could not be made.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// A service could not listen, or there could be no runtime.
    #[error("this machine gave no port or no thread: {0}")]
    Machine(#[from] std::io::Error),
    /// A policy of an experiment makes no sense.
    #[error(transparent)]
    Policy(#[from] mainstay_resilience::ConfigError),
}
