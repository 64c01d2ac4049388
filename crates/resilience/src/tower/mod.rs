//! Layers for tower.
//!
//! One service, [`Guarded`], applies all policies of a dependency through one [`Guard`](crate::guard::Guard).
//! For a layer with a single policy, leave the other policies out. The guard's order therefore holds however
//! many policies are configured, and clones of a service share their guard and everything that it has
//! learned.
//!
//! [`FallbackLayer`] responds when the inner service has no response, and [`Hosts`] makes one service of
//! several hosts and avoids those that fail.
//!
//! Readiness reserves nothing: `poll_ready` asks the inner service and takes no permit, because a service may
//! be made ready and never called. Permits are acquired in the call, and returned when its future ends or is
//! dropped.
//!
//! Errors are boxed, as in tower's own layers. `downcast_ref` finds a
//! [`CallRejected`](crate::guard::CallRejected) or a [`TimedOut`], however many layers are stacked.
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
//! // In place of a client or a route.
//! let billing =
//!     service_fn(|_: http::Request<()>| async { Ok::<_, BoxError>(http::Response::new("paid")) });
//! let response = layer.layer(billing).oneshot(http::Request::new(())).await.unwrap();
//! assert_eq!(response.into_body(), "paid");
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
