//! `mainstay tenants`: the tenants of a queue, and their weights.

use super::Global;
use super::failure::Result;
use super::output::{Align, print_list};
use mainstay_client::Tenant;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The queue
    queue: String,
    /// Only this tenant
    tenant: Option<String>,
    /// Set the weight by which it gets its share of the claims
    #[arg(long, requires = "tenant", value_parser = clap::value_parser!(u32).range(1..=100))]
    weight: Option<u32>,
    /// Give it the weight 1 again
    #[arg(long, requires = "tenant", conflicts_with = "weight")]
    delete: bool,
}

pub(crate) fn run(global: &Global, args: &Args) -> Result {
    let tenants = global.run(async |client| {
        let queue = client.queue(&args.queue);
        let Some(tenant) = &args.tenant else { return Ok(queue.tenants().await?) };
        if let Some(weight) = args.weight {
            queue.put_tenant(tenant, weight).await?;
            return Ok(Vec::new());
        }
        if args.delete {
            queue.delete_tenant(tenant).await?;
            return Ok(Vec::new());
        }
        Ok(vec![queue.tenant(tenant).await?])
    })?;
    if args.weight.is_some() || args.delete {
        return Ok(());
    }
    show(global, &tenants)
}

fn show(global: &Global, tenants: &[Tenant]) -> Result {
    let columns = [
        ("TENANT", Align::Left),
        ("WEIGHT", Align::Right),
        ("WAITING", Align::Right),
        ("RUNNING", Align::Right),
    ];
    print_list(global.output, tenants, &columns, |table, tenant| {
        table.row(vec![
            tenant.tenant.clone(),
            tenant.weight.to_string(),
            tenant.waiting.to_string(),
            tenant.running.to_string(),
        ])
    })
}
