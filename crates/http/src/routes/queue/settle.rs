//! What workers say about tasks that they have claimed.

use crate::access::Caller;
use crate::body::read_whole;
use crate::context::Context;
use crate::response::{self, LINES, Result};
use crate::routes::command::refused;
use crate::routes::parts;
use crate::unavailable;
use api::request::queue::settle::{Kind, read_lines, read_one};
use api::request::queue::slot_of;
use api::response::queue::outcome::{LineContext, write_settled, write_settled_lines};
use api::response::refusal::Target;
use api::{Code, Problem};
use axum::body::Body;
use http::request;
use model::{Action, Outcome, QueueName, Settle, Settled, Settlement, Wall};
use runtime::Pending;

/// The size of one result.
const RESULT_BYTES: usize = 64;

/// `POST /v1/queues/{queue}/tasks/{id}/complete` and the like.
pub(in crate::routes) async fn one(
    context: &Context,
    parts: &request::Parts,
    kind: Kind,
    body: &mut Body,
) -> Result {
    parts::no_query(parts)?;
    let queue = parts::queue(parts)?;
    let slot = slot_of(&queue);
    let task = parts::owned_task(parts::task(parts, slot)?);
    let body = read_whole(&context.buffers, &parts.headers, body).await?;
    let settlement = read_one(&parts.headers, kind, task, slot, &body)?;
    drop(body);
    let settled = settle(context, parts, &queue, vec![settlement]).await?;
    let settled = *settled.first().ok_or_else(|| Problem::new(Code::Internal, "the outcome is empty"))?;
    let mut out = Vec::with_capacity(RESULT_BYTES);
    write_settled(&mut out, settled)?;
    Ok(response::json(out))
}

/// `POST /v1/queues/{queue}/settlements`
pub(in crate::routes) async fn lines(context: &Context, parts: &request::Parts, body: &mut Body) -> Result {
    parts::no_query(parts)?;
    let queue = parts::queue(parts)?;
    let body = read_whole(&context.buffers, &parts.headers, body).await?;
    let lines = read_lines(&parts.headers, &queue, &body)?;
    drop(body);
    let mut settlements = Vec::with_capacity(lines.len());
    let lines: Vec<LineContext> = lines
        .into_iter()
        .map(|line| {
            let problem = line.settlement.map(|settlement| settlements.push(settlement)).err();
            LineContext { number: line.number, id: line.id, problem }
        })
        .collect();
    let settled =
        if settlements.is_empty() { Vec::new() } else { settle(context, parts, &queue, settlements).await? };
    let mut out = Vec::with_capacity(RESULT_BYTES * lines.len());
    write_settled_lines(&mut out, &lines, &settled);
    Ok(response::whole(LINES, out))
}

async fn settle(
    context: &Context,
    parts: &request::Parts,
    queue: &QueueName<'_>,
    settlements: Vec<Settlement<'static>>,
) -> Result<Vec<Settled>> {
    Settling::begin(context, parts, queue, settlements)?.end(context).await
}

/// Settlements that are on their way to the node.
pub(super) struct Settling {
    pending: Pending,
    countings: Vec<Counting>,
}

impl Settling {
    /// Submits the settlements. Commands that are submitted later come after them.
    pub(super) fn begin(
        context: &Context,
        parts: &request::Parts,
        queue: &QueueName<'_>,
        settlements: Vec<Settlement<'static>>,
    ) -> Result<Self> {
        let countings = settlements.iter().map(Counting::of).collect();
        let settle = Settle { queue: queue.clone().into_owned(), settlements };
        let pending = context.handle.settle(&Caller::of(context, parts), settle)?;
        Ok(Self { pending, countings })
    }

    /// The results, in the order of the settlements.
    pub(super) async fn end(self, context: &Context) -> Result<Vec<Settled>> {
        match self.pending.await.map_err(|error| unavailable::problem(&error))? {
            Outcome::Settled(settled) => {
                self.countings
                    .iter()
                    .zip(&settled)
                    .for_each(|(counting, settled)| counting.count(context, *settled));
                Ok(settled)
            }
            outcome => Err(refused(context, &outcome, Target::Queue)),
        }
    }
}

/// What the metrics need to know of a settlement, apart from its result.
#[derive(Clone, Copy)]
pub(in crate::routes) struct Counting {
    is_failure: bool,
    /// When the attempt began.
    began: Wall,
}

impl Counting {
    pub(in crate::routes) fn of(settlement: &Settlement<'_>) -> Self {
        // A token is the position at which it was given.
        Self { is_failure: matches!(settlement.action, Action::Fail(_)), began: settlement.token.wall() }
    }

    /// Counts the result.
    pub(in crate::routes) fn count(self, context: &Context, settled: Settled) {
        let tasks = &context.metrics.tasks;
        match settled {
            Settled::ClaimLost => tasks.claim_lost.inc(),
            Settled::NoTask => {}
            Settled::Completed => {
                tasks.completed.inc();
                self.count_run(context);
            }
            Settled::Extended { .. } | Settled::Waiting { .. } | Settled::Dead | Settled::Cancelled => {
                if self.is_failure {
                    tasks.failed.inc();
                    self.count_run(context);
                }
            }
        }
    }

    fn count_run(self, context: &Context) {
        context.metrics.tasks.run.observe(context.handle.wall_now().0.saturating_sub(self.began.0));
    }
}
