//! Step 1: the report is made in the request that asks for it.

use crate::{Result, load, shop};

pub(crate) const USERS: usize = 12;

pub(crate) async fn run() -> Result {
    let shop = shop::start_with_reports_in_requests()?;
    let http = reqwest::Client::new();
    let nothing = async {
        tokio::time::sleep(super::AWHILE).await;
        Ok(())
    };
    let ((), alone) = load::while_others_look_at_orders(&shop, nothing).await?;
    let asking = load::ask(USERS, |month| {
        let request = http.post(format!("{shop}/reports/{month}"));
        async move { Ok(request.send().await?.error_for_status()?.bytes().await?) }
    });
    let (reports, others) = load::while_others_look_at_orders(&shop, asking).await?;
    let mut requests = load::Latencies::default();
    reports.iter().for_each(|(_, latency)| requests.record(*latency));
    println!("Step 1: {} users ask for a report, and each request makes it.", requests.count());
    println!("  requests for a report:         {requests}");
    println!("  other requests, before:        {alone}");
    println!("  other requests, during that:   {others}");
    Ok(())
}
