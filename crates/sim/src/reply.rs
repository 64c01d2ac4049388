//! Who waits for the outcome of a request: a client, until it gives up.

use std::cell::Cell;
use std::rc::Rc;

#[derive(Clone, Debug)]
pub struct Reply {
    pub client: u64,
    /// The number of its request among those of all clients.
    pub request: u64,
    gone: Rc<Cell<bool>>,
}

impl Reply {
    #[must_use]
    pub fn new(client: u64, request: u64) -> Self {
        Self { client, request, gone: Rc::new(Cell::new(false)) }
    }

    /// The client waits no longer. The node learns of it when it asks.
    pub fn give_up(&self) {
        self.gone.set(true);
    }

    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.gone.get()
    }
}
