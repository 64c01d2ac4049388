//! `POST /v1/queues/{queue}/claims`: gives tasks to a worker.

use crate::body::read_whole;
use crate::context::Context;
use crate::response::{self, Result};
use crate::routes::command::{refused, submit};
use crate::routes::parts;
use api::request::queue::claim;
use api::response::queue::outcome::write_claimed;
use api::response::refusal::Target;
use bytes::Bytes;
use http::request;
use http_body::Body;
use model::{Command, Outcome};

pub(in crate::routes) async fn respond<B>(context: &Context, parts: &request::Parts, body: &mut B) -> Result
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::error::Error + 'static,
{
    parts::no_query(parts)?;
    let queue = parts::queue(parts)?;
    let body = read_whole(&context.buffers, &parts.headers, body).await?;
    let request = claim::read(&parts.headers, queue, &body)?;
    drop(body);
    let outcome = submit(context, Command::Claim(request.claim)).await?;
    let Outcome::Claimed(claimed) = outcome else {
        return Err(refused(context, &outcome, Target::Queue));
    };
    context.metrics.tasks.claimed.add(claimed.tasks.len() as u64);
    let mut out = Vec::with_capacity(64);
    write_claimed(&mut out, &claimed);
    Ok(response::json(out))
}
