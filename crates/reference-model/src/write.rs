//! Appends and transactions in the model. Everything is looked up, then done, and undone if it is refused.

use super::{Append, Condition, Event, EventRef, Id, Sent, Simple, SimpleOutcome, Write};

/// Each write's slot, and where its events are.
pub(crate) type EventRefs = Vec<(u16, Vec<EventRef>)>;

/// The request's events that are already stored: write, event, and where it is.
type Old = Vec<(usize, usize, EventRef)>;

impl Simple {
    /// The kept event with the same identity, if any.
    fn find(&self, stream: usize, sent: &Sent) -> Option<(u64, Event)> {
        let stream = &self.streams[stream];
        if let Id::Echo { position, slot, .. } = sent.id {
            let there = stream.kept().find(|(_, event)| event.position == position && stream.slot == slot);
            if let Some((revision, event)) = there
                && event.sent.id == Id::Server
            {
                return Some((revision, *event));
            }
        }
        let name = sent.name()?;
        let (revision, event) = stream.kept().find(|(_, event)| event.sent.name() == Some(name))?;
        Some((revision, *event))
    }

    /// Does everything or nothing, and returns whether every event existed before.
    pub(crate) fn write_all(
        &mut self,
        checks: &[Condition],
        writes: &[Write],
    ) -> Result<(bool, EventRefs), SimpleOutcome> {
        let old = self.find_all(writes)?;
        let appends = || writes.iter().filter_map(Write::append);
        let events: usize = appends().map(|append| append.events.len()).sum();
        let completed = |write: &Write| match write {
            Write::Append(_) => true,
            Write::Complete(complete) => self.is_completed(complete),
        };
        let all_old = !writes.is_empty()
            && (appends().count() == 0 || events > 0 && old.len() == events)
            && writes.iter().all(completed);
        if !all_old {
            for (part, check) in checks.iter().enumerate() {
                if let Some(refusal) = self.refusal(part, *check) {
                    return Err(refusal);
                }
            }
        }
        let before: Vec<_> =
            appends().map(|append| (append.stream, self.streams[append.stream].clone())).collect();
        let (last, appended, executions) = (self.last, self.appended.len(), self.executions.clone());
        let mut done = Vec::new();
        // Where each event with a client's id went that was new in this request.
        let mut gone = Vec::new();
        for (at, write) in writes.iter().enumerate() {
            let part = checks.len() + at;
            let refused = match write {
                _ if all_old => None,
                Write::Append(append) => self.refusal(part, Condition::Stream(append.stream, append.expect)),
                Write::Complete(complete) => {
                    (!self.complete_execution(complete)).then_some(SimpleOutcome::ExecutionLost(part))
                }
            };
            if let Some(refused) = refused {
                for (stream, state) in before.into_iter().rev() {
                    self.streams[stream] = state;
                }
                self.last = last;
                self.appended.truncate(appended);
                self.executions = executions;
                return Err(refused);
            }
            if let Write::Append(append) = write {
                let event_refs = self.write(at, append, &old, &mut gone);
                done.push((self.streams[append.stream].slot, event_refs));
            }
        }
        Ok((all_old, done))
    }

    /// Looks up all events of a request, or says which one conflicts.
    fn find_all(&self, writes: &[Write]) -> Result<Old, SimpleOutcome> {
        let mut first_time: Vec<(usize, Sent)> = Vec::new();
        let mut old = Vec::new();
        for (write, append) in writes.iter().enumerate().filter_map(|(at, write)| Some((at, write.append()?)))
        {
            for (event, sent) in append.events.iter().enumerate() {
                let conflict = |revision| SimpleOutcome::EventConflict { write, event, revision };
                if let Some((revision, stored)) = self.find(append.stream, sent) {
                    if !stored.is_repeated_by(sent) {
                        return Err(conflict(Some(revision)));
                    }
                    old.push((
                        write,
                        event,
                        EventRef { revision, position: stored.position, replayed: true },
                    ));
                    continue;
                }
                let twin = first_time.iter().find(|(stream, first)| {
                    *stream == append.stream && sent.name().is_some() && first.name() == sent.name()
                });
                match twin {
                    Some((_, first)) if (first.content, first.time) != (sent.content, sent.time) => {
                        return Err(conflict(None));
                    }
                    _ => first_time.push((append.stream, *sent)),
                }
            }
        }
        Ok(old)
    }

    fn write(
        &mut self,
        write: usize,
        append: &Append,
        old: &Old,
        gone: &mut Vec<(usize, u128, EventRef)>,
    ) -> Vec<EventRef> {
        let mut event_refs = Vec::new();
        for (event, sent) in append.events.iter().enumerate() {
            let known = old.iter().find(|(w, e, _)| (*w, *e) == (write, event));
            let twin =
                gone.iter().find(|(stream, id, _)| *stream == append.stream && Some(*id) == sent.name());
            event_refs.push(match (known, twin) {
                (Some((_, _, event_ref)), _) => *event_ref,
                (None, Some((_, _, event_ref))) => EventRef { replayed: true, ..*event_ref },
                (None, None) => {
                    let event_ref = self.push(append.stream, *sent);
                    gone.extend(sent.name().map(|name| (append.stream, name, event_ref)));
                    event_ref
                }
            });
        }
        // A stream keeps its newest events whenever one is appended.
        if event_refs.iter().any(|event_ref| !event_ref.replayed) {
            self.streams[append.stream].remove_surplus();
        }
        event_refs
    }

    pub(crate) fn push(&mut self, stream: usize, sent: Sent) -> EventRef {
        let position = self.take_position();
        let state = &mut self.streams[stream];
        state.began.get_or_insert(position);
        state.deleted = false;
        let revision = state.events.len() as u64;
        state.events.push(Event { position, sent });
        self.appended.push((stream, revision));
        EventRef { revision, position, replayed: false }
    }
}
