//! What each operation does: parse the request with `api`, ask the node, write the response with `api`. One file
//! per kind of thing, one function per operation.

mod append;
mod backups;
mod breakers;
mod command;
mod errors;
mod executions;
mod groups;
mod leases;
mod limits;
mod lines;
mod lists;
mod now;
mod operations;
mod parts;
mod queue;
mod reactions;
mod schedules;
mod settings;
mod streams;
mod subjects;
mod tokens;
mod transaction;
mod values;
mod watch;

pub(crate) use operations::readings;
pub use reactions::write_reaction_task;

use crate::access::{Admitted, Ending};
use crate::activity::Activity;
use crate::allowance;
use crate::context::Context;
use crate::read;
use crate::response::Result;
use api::Operation;
use api::contract::parameters::{SENT_STORE, STORE};
use api::request::queue::change;
use api::request::queue::settle::Kind;
use api::request::store;
use axum::body::Body;
use http::{Request, request};
use model::{BreakerForced, ScheduleAction};
use std::future::Future;
use std::sync::Arc;

/// Runs an operation, if the request may run it.
pub(crate) async fn respond(context: &Arc<Context>, operation: Operation, request: Request<Body>) -> Result {
    let (mut parts, body) = request.into_parts();
    match context.access.admit(operation, &mut parts)? {
        None => answer(context, operation, &parts, body).await,
        Some(Admitted { ending, meters: None }) => {
            until(ending, answer(context, operation, &parts, body)).await
        }
        Some(Admitted { ending, meters: Some(meters) }) => {
            let answer = |body| answer(context, operation, &parts, body);
            until(ending, allowance::bound(context, operation, &parts, body, meters, answer)).await
        }
    }
}

/// Runs a request until its token ends.
async fn until(ending: Option<Ending>, respond: impl Future<Output = Result>) -> Result {
    match ending {
        Some(ending) => ending.bound(respond).await,
        None => respond.await,
    }
}

/// Runs an operation for a caller who was admitted to it.
async fn answer(context: &Arc<Context>, operation: Operation, parts: &request::Parts, body: Body) -> Result {
    // Reads of events may name a store whose history this one continues.
    let is_read = matches!(operation, Operation::ReadStream | Operation::ReadStore);
    if !is_read && parts.headers.contains_key(store::HEADER) && operation.takes(&STORE) {
        store::check(&parts.headers, context.store.to_str().unwrap_or_default())?;
    }
    let mut response = run(context, operation, parts, body).await?;
    if operation.sends(&SENT_STORE) {
        response.headers_mut().insert(store::HEADER, context.store.clone());
    }
    Ok(response)
}

#[expect(clippy::too_many_lines, reason = "one arm for each operation")]
async fn run(context: &Arc<Context>, operation: Operation, parts: &request::Parts, mut body: Body) -> Result {
    match operation {
        Operation::Append => append::respond(context, parts, &mut body).await,
        Operation::ReadStream => read::stream(context, parts, parts::stream(parts)?.into_owned()).await,
        Operation::DeleteStream => streams::delete(context, parts).await,
        Operation::GetSettings => settings::get(context, parts).await,
        Operation::PutSettings => settings::put(context, parts, &mut body).await,
        Operation::ListStreams => streams::list(context, parts).await,
        Operation::AppendLines => {
            let activity = parts.extensions.get::<Arc<Activity>>().cloned();
            lines::respond(context, parts, body, activity).await
        }
        Operation::ReadStore => read::store(context, parts).await,
        Operation::Transact => transaction::respond(context, parts, &mut body).await,
        Operation::AcquireLease => leases::acquire(context, parts, &mut body).await,
        Operation::RenewLease => leases::renew(context, parts, &mut body).await,
        Operation::ReleaseLease => leases::release(context, parts, &mut body).await,
        Operation::GetLease => leases::get(context, parts).await,
        Operation::PutValue => values::put(context, parts, &mut body).await,
        Operation::GetValue => values::get(context, parts).await,
        Operation::DeleteValue => values::delete(context, parts).await,
        Operation::BeginExecution => executions::begin(context, parts, &mut body).await,
        Operation::CompleteExecution => executions::complete(context, parts, &mut body).await,
        Operation::AbandonExecution => executions::abandon(context, parts, &mut body).await,
        Operation::GetExecution => executions::get(context, parts).await,
        Operation::ForgetExecution => executions::forget(context, parts).await,
        Operation::Enqueue => queue::enqueue::respond(context, parts, &mut body).await,
        Operation::ListTasks => queue::tasks::list(context, parts).await,
        Operation::Claim => queue::claim::respond(context, parts, &mut body).await,
        Operation::Heartbeat => queue::settle::one(context, parts, Kind::Heartbeat, &mut body).await,
        Operation::Complete => queue::settle::one(context, parts, Kind::Complete, &mut body).await,
        Operation::Fail => queue::settle::one(context, parts, Kind::Fail, &mut body).await,
        Operation::Defer => queue::settle::one(context, parts, Kind::Defer, &mut body).await,
        Operation::Return => queue::settle::one(context, parts, Kind::Return, &mut body).await,
        Operation::SettleLines => queue::settle::lines(context, parts, &mut body).await,
        Operation::CancelTask => queue::tasks::cancel(context, parts).await,
        Operation::ReplayTask => queue::tasks::replay(context, parts, &mut body).await,
        Operation::GetTask => queue::tasks::get(context, parts).await,
        Operation::DropTask => queue::tasks::drop_dead(context, parts).await,
        Operation::ListWorkers => queue::workers::list(context, parts),
        Operation::DeadLetters => queue::change::classes(context, parts).await,
        Operation::CancelTasks => queue::change::many(context, parts, change::Kind::Cancel, &mut body).await,
        Operation::ReplayDead => queue::change::many(context, parts, change::Kind::Replay, &mut body).await,
        Operation::DropDead => queue::change::many(context, parts, change::Kind::Drop, &mut body).await,
        Operation::CreateGroup => groups::create(context, parts, &mut body).await,
        Operation::GetGroup => groups::get(context, parts).await,
        Operation::GetQueue => queue::queues::get(context, parts).await,
        Operation::PutQueue => queue::queues::put(context, parts, &mut body).await,
        Operation::ListQueues => queue::queues::list(context, parts).await,
        Operation::PutTenant => queue::tenants::put(context, parts, &mut body).await,
        Operation::GetTenant => queue::tenants::get(context, parts).await,
        Operation::DeleteTenant => queue::tenants::delete(context, parts).await,
        Operation::ListTenants => queue::tenants::list(context, parts).await,
        Operation::PutLimit => limits::put(context, parts, &mut body).await,
        Operation::GetLimit => limits::get(context, parts).await,
        Operation::DeleteLimit => limits::delete(context, parts).await,
        Operation::ListLeases => leases::list(context, parts).await,
        Operation::ListValues => values::list(context, parts).await,
        Operation::ListLimits => limits::list(context, parts).await,
        Operation::PutBreaker => breakers::put(context, parts, &mut body).await,
        Operation::GetBreaker => breakers::get(context, parts).await,
        Operation::DeleteBreaker => breakers::delete(context, parts).await,
        Operation::ListBreakers => breakers::list(context, parts).await,
        Operation::BreakerPermit => breakers::permit(context, parts).await,
        Operation::BreakerRecord => breakers::record(context, parts, &mut body).await,
        Operation::OpenBreaker => breakers::control(context, parts, BreakerForced::Open).await,
        Operation::CloseBreaker => breakers::control(context, parts, BreakerForced::Closed).await,
        Operation::ReleaseBreaker => breakers::control(context, parts, BreakerForced::No).await,
        Operation::PutSchedule => schedules::put(context, parts, &mut body).await,
        Operation::GetSchedule => schedules::get(context, parts).await,
        Operation::DeleteSchedule => schedules::delete(context, parts).await,
        Operation::ListSchedules => schedules::list(context, parts).await,
        Operation::PreviewSchedule => schedules::preview(context, parts, &mut body).await,
        Operation::PauseSchedule => schedules::set(context, parts, ScheduleAction::Pause).await,
        Operation::ResumeSchedule => schedules::set(context, parts, ScheduleAction::Resume).await,
        Operation::FireSchedule => schedules::fire(context, parts).await,
        Operation::BackfillSchedule => schedules::backfill(context, parts, &mut body).await,
        Operation::PutScheduleSet => schedules::put_set(context, parts, &mut body).await,
        Operation::GetScheduleSet => schedules::get_set(context, parts).await,
        Operation::PutReaction => reactions::put(context, parts, &mut body).await,
        Operation::GetReaction => reactions::get(context, parts).await,
        Operation::DeleteReaction => reactions::delete(context, parts).await,
        Operation::ListReactions => reactions::list(context, parts).await,
        Operation::CreateToken => tokens::create(context, parts, &mut body).await,
        Operation::ListTokens => tokens::list(context, parts).await,
        Operation::RevokeToken => tokens::revoke(context, parts).await,
        Operation::EraseSubject => subjects::erase(context, parts, &mut body).await,
        Operation::CopySubjectKeys => subjects::copy(context, parts).await,
        Operation::BeginBackup => backups::begin(context, parts).await,
        Operation::ReadBackupRows => backups::rows(context, parts).await,
        Operation::ReadBackupSegment => backups::segment(context, parts).await,
        Operation::EndBackup => backups::end(context, parts),
        Operation::ArchiveLog => backups::log(context, parts).await,
        Operation::Store => operations::store(context, parts),
        Operation::Checks => operations::checks(context, parts),
        Operation::Live => operations::live(parts),
        Operation::Ready => operations::ready(context, parts),
        Operation::Metrics => operations::metrics(context, parts).await,
        Operation::OpenApi => operations::openapi(context, parts),
        Operation::Errors => errors::respond(parts),
    }
}
