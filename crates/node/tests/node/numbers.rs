//! Replies that are numbers, so that a test can name each of them.

use node::Replies;

/// Replies are numbers.
#[derive(Debug)]
pub(crate) struct Numbers;

impl Replies for Numbers {
    type Outcome = u64;
    type TimeClosed = u64;
    type Woken = u64;

    fn is_gone(_: &u64) -> bool {
        false
    }

    fn is_abandoned(_: &u64) -> bool {
        false
    }
}
