//! The model of task queues, by itself: what is true of every state, and cases that random commands rarely reach.
//!
//! | module | what it holds |
//! |---|---|
//! | `one_queue` | a queue that is asked command by command |
//! | `rules` | the tests |

#[cfg(test)]
mod one_queue;
#[cfg(test)]
mod rules;
