//! The chapters, in the order of the tour. Each stands on what those before it left in the node.

mod as_of;
mod crash;
mod events;
mod retry;
mod stale;
mod transaction;

use super::Chapter;

pub(crate) const ALL: &[Chapter] =
    &[events::CHAPTER, as_of::CHAPTER, stale::CHAPTER, retry::CHAPTER, transaction::CHAPTER, crash::CHAPTER];
