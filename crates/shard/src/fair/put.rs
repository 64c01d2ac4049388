//! Set the weight of a tenant.
//!
//! *From its next turn on, the tenant is served with this weight, also for tasks that are in the queue.* The tenant need
//! not have tasks, and the queue need not exist.

use super::tenant;
use crate::overlay::Overlay;
use crate::queue::hash;
use crate::queue::tally::Queue;
use alloc::borrow::ToOwned;
use model::{Outcome, PutTenant, View, ViewError};

/// Decides the command.
pub(crate) fn apply<V: View>(
    put: &PutTenant<'_>,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<Outcome, ViewError> {
    let queue = Queue::load_or_new(&put.queue, overlay)?;
    let name = put.tenant.as_str();
    tenant::change(queue.keys, hash(name), overlay, |row| {
        row.name = name.to_owned();
        row.weight = Some(put.weight);
        Some(())
    })?;
    queue.save(overlay);
    Ok(Outcome::TenantPut)
}
