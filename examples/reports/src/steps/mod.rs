//! The four steps of the story.

use std::time::Duration;

/// How long the shop is measured without reports.
const AWHILE: Duration = Duration::from_millis(500);

pub(crate) mod charged_once;
pub(crate) mod every_night;
pub(crate) mod in_a_queue;
pub(crate) mod in_the_request;
