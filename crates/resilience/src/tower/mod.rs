//! Layers for tower.
//!
//! There is one service for all policies of a dependency, [`Guarded`], around one [`Guard`](crate::guard::Guard): a layer for a single policy is the
//! same with the other policies left out. So the guard's order holds however many are configured, clones of a
//! service share their guard, and what is known of one is known of all.
//!
//! [`FallbackLayer`] answers where there is no answer, and [`Hosts`] makes one service of several hosts and leaves out
//! those that fail.
//!
//! Readiness holds nothing: `poll_ready` asks the inner service and takes no permit, for a service may be made
//! ready and never called. Permits are asked for in the call, and come back when its future ends or is dropped.
//!
//! Errors are boxed, as tower's own layers have them: a [`Refusal`](crate::guard::Refusal) or a
//! [`TimedOut`] can be found by `downcast_ref`, in a stack of any height.

mod fallback;
mod hosts;
mod rules;
mod service;

pub use fallback::{Fallback, FallbackLayer};
pub use hosts::Hosts;
pub use rules::{HttpOnce, HttpRules, JudgeBy, Rules};
pub use service::{BoxError, GuardLayer, Guarded, TimedOut};
