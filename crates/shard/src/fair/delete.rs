//! Give a tenant the usual weight again.
//!
//! *From its next turn on, the tenant is served with weight 1.* Its tasks stay.

use super::tenant;
use crate::overlay::Overlay;
use crate::queue::{hash, id_of};
use model::{DeleteTenant, Outcome, View, ViewError};

/// Decides the command.
pub(crate) fn apply<V: View>(
    delete: &DeleteTenant<'_>,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<Outcome, ViewError> {
    let Some(queue) = id_of(overlay, &delete.queue)? else {
        return Ok(Outcome::TenantDeleted { existed: false });
    };
    let hash = hash(delete.tenant.as_str());
    let existed = tenant::row(overlay, queue, hash)?.is_some_and(|row| row.weight.is_some());
    if existed {
        tenant::change(queue, hash, overlay, |row| {
            row.weight = None;
            Some(())
        })?;
    }
    Ok(Outcome::TenantDeleted { existed })
}
