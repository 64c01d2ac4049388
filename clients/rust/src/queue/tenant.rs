//! Tenants: whose tasks a queue's claims are shared among.

use super::Queue;
use crate::client::encode;
use crate::error::{Error, Result};
use crate::transport::Call;
use http::Method;
use serde::{Deserialize, Serialize};

/// A tenant of a queue, and what it has there.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct Tenant {
    pub tenant: String,
    pub weight: u32,
    /// Unfinished tasks that do not run.
    pub waiting: u64,
    /// Tasks that run.
    pub running: u64,
}

impl Queue {
    /// Sets the weight of a tenant, from 1 to 100. It counts from the tenant's next turn on.
    ///
    /// # Errors
    /// [`Error`]
    pub async fn put_tenant(&self, tenant: &str, weight: u32) -> Result<()> {
        let body = serde_json::to_vec(&serde_json::json!({ "weight": weight })).map_err(Error::Encode)?;
        let call = Call::new(Method::PUT, self.tenant_path(tenant)).body("application/json", body);
        self.client.call(&call).await.map(drop)
    }

    /// Gives a tenant the weight 1 again. Its tasks stay.
    ///
    /// # Errors
    /// [`Error`]
    pub async fn delete_tenant(&self, tenant: &str) -> Result<()> {
        self.client.call(&Call::new(Method::DELETE, self.tenant_path(tenant))).await.map(drop)
    }

    /// A tenant's weight, and how many of its tasks wait and run.
    ///
    /// # Errors
    /// [`Error`]
    pub async fn tenant(&self, tenant: &str) -> Result<Tenant> {
        self.client.call_json(&Call::get(self.tenant_path(tenant))).await
    }

    /// The tenants that have unfinished tasks or a weight of their own, in no particular order.
    ///
    /// # Errors
    /// [`Error`]
    pub async fn tenants(&self) -> Result<Vec<Tenant>> {
        self.client.list(&self.path("/tenants"), "tenants").await
    }

    fn tenant_path(&self, tenant: &str) -> String {
        self.path(&format!("/tenants/{}", encode(tenant)))
    }
}
