//! The chapters, in the order of the tour. Each builds on the events of the earlier ones.

mod as_of;
mod crash;
mod events;
mod retry;
mod stale;
mod transaction;

use super::Chapter;

pub(crate) const ALL: &[Chapter] =
    &[events::CHAPTER, as_of::CHAPTER, stale::CHAPTER, retry::CHAPTER, transaction::CHAPTER, crash::CHAPTER];
