//! Layers for tower.
//!
//! There is one service for all policies of a dependency, [`Guarded`], around one
//! [`Guard`](crate::guard::Guard): a layer for a single policy is the same with the other policies left out.
//! So the guard's order holds however many are configured, clones of a service share their guard, and what
//! is known of one is known of all.
//!
//! [`FallbackLayer`] answers where there is no answer, and [`Hosts`] makes one service of several hosts and
//! leaves out those that fail.
//!
//! Readiness holds nothing: `poll_ready` asks the inner service and takes no permit, for a service may be
//! made ready and never called. Permits are asked for in the call, and come back when its future ends or is
//! dropped.
//!
//! Errors are boxed, as tower's own layers have them: a [`CallRejected`](crate::guard::CallRejected) or a
//! [`TimedOut`] can be found by `downcast_ref`, in a stack of any height.
//!
//! ```
//! use mainstay_resilience::bulkhead;
//! use mainstay_resilience::guard::Policy;
//! use mainstay_resilience::tower::{GuardLayer, HttpRules};
//! use tower::{BoxError, Layer, ServiceExt, service_fn};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
//! let policy = Policy::new().bulkhead(bulkhead::Config::default());
//! let layer = GuardLayer::from_policy("billing", policy, HttpRules::default()).unwrap();
//! // In place of a client, or of a route.
//! let billing =
//!     service_fn(|_: http::Request<()>| async { Ok::<_, BoxError>(http::Response::new("paid")) });
//! let answer = layer.layer(billing).oneshot(http::Request::new(())).await.unwrap();
//! assert_eq!(answer.into_body(), "paid");
//! # });
//! ```

mod fallback;
mod hosts;
mod rules;
mod service;

pub use fallback::{Fallback, FallbackLayer};
pub use hosts::Hosts;
pub use rules::{ClassifyWith, HttpOnce, HttpRules, Rules};
pub use service::{BoxError, GuardLayer, Guarded, TimedOut};
