//! The parts that experiments are built from.
//!
//! | module | what it is |
//! |---|---|
//! | [`service`] | a service to call, which can pause, hang or crash |
//! | [`client`], [`outgoing`] | how it is called: directly, or through a guard |
//! | [`load`] | the requests, and when each of them begins |
//! | [`record`] | the result of each request, and statistics over them |
//! | [`chart`] | a series over time, drawn for a terminal |

pub(crate) mod chart;
pub(crate) mod client;
pub(crate) mod load;
pub(crate) mod outgoing;
pub(crate) mod record;
pub(crate) mod service;

/// An experiment could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// A service could not listen, or the async runtime could not start.
    #[error("cannot open a port or start a thread on this machine: {0}")]
    Machine(#[from] std::io::Error),
    /// A policy of an experiment is invalid.
    #[error(transparent)]
    Policy(#[from] mainstay_resilience::ConfigError),
}
