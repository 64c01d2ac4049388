//! Move a reaction's cursor, and enqueue the tasks of the events that it passes.
//!
//! *Each event that matches makes exactly one task, in the order of the store.* The cursor moves in the entry that
//! enqueues the tasks. The command has an effect only if the reaction is as its proposer knew it: with the same
//! settings, not paused, and at the same cursor. So a command that is proposed twice, or by two leaders, has an effect
//! once. An event whose task the queue still has, because an earlier reaction with the same name has enqueued it, makes
//! no second one. A task that does not fit into its queue stops the reaction before its event; the command then moves
//! the cursor only so far, and the node tries again later.

use crate::overlay::Overlay;
use crate::queue::enqueue::add;
use crate::queue::tally::Queue;
use crate::queue::task::id_row;
use crate::reaction::{decode, load, save};
use alloc::borrow::Cow;
use format::row::ReactionRow;
use model::{
    EnqueuedTask, Fingerprint, NewTask, Outcome, React, ReactedEvent, ReactionKey, ReactionName,
    ReactionSettings, Refusal, TaskOptions, View, ViewError, reaction_task_id,
};

/// Decides the command.
pub(crate) fn apply<V: View>(
    react: &React<'_>,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<Outcome, ViewError> {
    let value = load(overlay, overlay.first_slot(), &react.reaction)?;
    let row = value.as_deref().map(decode).transpose()?;
    let Some(row) = row.filter(|row| is_known(react, row)) else {
        return Ok(Outcome::Refused(Refusal::ReactionMoved));
    };
    if !is_possible(react, overlay) {
        return Ok(Outcome::Refused(Refusal::ReactionMoved));
    }
    let mut queue = Queue::load_or_new(&row.settings.queue, overlay)?;
    let (mut tasks, mut cursor) = (0, react.until);
    let mut passed = react.after;
    for event in &react.events {
        match react_to(event, &react.reaction, &row.settings, &mut queue, overlay)? {
            Reacted::Added => tasks += 1,
            Reacted::Known => {}
            Reacted::Full => {
                cursor = passed;
                break;
            }
        }
        passed = event.cursor;
    }
    if tasks > 0 {
        queue.save(overlay);
    }
    if cursor > react.after {
        let row = ReactionRow { cursor, tasks: row.tasks.saturating_add(u64::from(tasks)), ..row };
        save(&react.reaction, &row, overlay);
    }
    Ok(Outcome::Reacted { tasks, cursor })
}

/// Whether the reaction is still as the proposer knew it.
fn is_known(react: &React<'_>, row: &ReactionRow<'_>) -> bool {
    row.version == react.version && row.cursor == react.after && !row.settings.paused
}

/// Whether the cursor moves forwards, passes the events in order, and only what cannot change any more.
fn is_possible<V: View>(react: &React<'_>, overlay: &Overlay<'_, '_, V>) -> bool {
    let mut last = react.after;
    let in_order =
        react.events.iter().all(|event| core::mem::replace(&mut last, event.cursor) < event.cursor);
    in_order && react.after < react.until && last <= react.until && react.until.position <= overlay.shard.last
}

/// What has come of one event.
enum Reacted {
    Added,
    /// The queue has its task already.
    Known,
    /// The queue cannot take its task.
    Full,
}

fn react_to<V: View>(
    event: &ReactedEvent<'_>,
    reaction: &ReactionName<'_>,
    settings: &ReactionSettings<'_>,
    queue: &mut Queue,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<Reacted, ViewError> {
    let id = reaction_task_id(reaction.as_str(), event.cursor);
    if id_row(overlay, queue.keys, &id)?.is_some() {
        return Ok(Reacted::Known);
    }
    let is_new_type = !queue.has_type(&settings.task_type, overlay)?;
    if queue.would_overflow(1) || is_new_type && queue.has_too_many_types(1) {
        return Ok(Reacted::Full);
    }
    let (cursor, text) = (event.cursor, |text: &'_ str| Cow::Owned(text.into()));
    let task = NewTask {
        id: Some(Cow::Owned(id)),
        fingerprint: Fingerprint(u128::from(cursor.position.0) << 16 | u128::from(cursor.slot.0)),
        task_type: text(&settings.task_type),
        run_after: None,
        priority: settings.priority,
        key: match &settings.key {
            ReactionKey::None => None,
            ReactionKey::Stream => Some(text(&event.stream)),
            ReactionKey::Fixed(key) => Some(text(key)),
        },
        claim_ms: None,
        retry: None,
        envelope: Cow::Borrowed(&event.envelope),
        options: TaskOptions::default(),
    };
    Ok(match add(&task, queue, overlay)? {
        EnqueuedTask::Added(_) => Reacted::Added,
        EnqueuedTask::Replayed(_) | EnqueuedTask::Conflict(_) | EnqueuedTask::Existing { .. } => {
            Reacted::Known
        }
    })
}
