//! Appends and transactions in the model: everything is looked up, then done, and undone if refused.

use super::{Answer, Append, Event, Expect, Id, Place, Sent, Simple};

/// Each write's slot and places.
pub(super) type Places = Vec<(u16, Vec<Place>)>;

/// An event of the request (write and number) that is stored, and where.
type Old = Vec<(usize, usize, Place)>;

impl Simple {
    /// The kept event that this one would repeat, and whether it does.
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

    /// Does all or nothing, and says whether every event existed before.
    pub(super) fn write_all(
        &mut self,
        checks: &[(usize, Expect)],
        writes: &[Append],
    ) -> Result<(bool, Places), Answer> {
        let old = self.find_all(writes)?;
        let events: usize = writes.iter().map(|append| append.events.len()).sum();
        let all_old = events > 0 && old.len() == events;
        if !all_old {
            for (part, (stream, expect)) in checks.iter().enumerate() {
                if !self.streams[*stream].is(*expect) {
                    return Err(Answer::WrongRevision { part, current: self.streams[*stream].last() });
                }
            }
        }
        let before: Vec<_> =
            writes.iter().map(|write| (write.stream, self.streams[write.stream].clone())).collect();
        let (last, appended) = (self.last, self.appended.len());
        let mut done = Vec::new();
        // Where each named event went that was new in this request.
        let mut gone = Vec::new();
        for (write, append) in writes.iter().enumerate() {
            let current = self.streams[append.stream].last();
            if !all_old && !self.streams[append.stream].is(append.expect) {
                for (stream, state) in before.into_iter().rev() {
                    self.streams[stream] = state;
                }
                self.last = last;
                self.appended.truncate(appended);
                return Err(Answer::WrongRevision { part: checks.len() + write, current });
            }
            let places = self.write(write, append, &old, &mut gone);
            done.push((self.streams[append.stream].slot, places));
        }
        Ok((all_old, done))
    }

    /// Looks up all events of a request, or says which one conflicts.
    fn find_all(&self, writes: &[Append]) -> Result<Old, Answer> {
        let mut first_time: Vec<(usize, Sent)> = Vec::new();
        let mut old = Vec::new();
        for (write, append) in writes.iter().enumerate() {
            for (event, sent) in append.events.iter().enumerate() {
                let conflict = |revision| Answer::EventConflict { write, event, revision };
                if let Some((revision, stored)) = self.find(append.stream, sent) {
                    if !stored.is_repeated_by(sent) {
                        return Err(conflict(Some(revision)));
                    }
                    old.push((write, event, Place { revision, position: stored.position, replayed: true }));
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
        gone: &mut Vec<(usize, u128, Place)>,
    ) -> Vec<Place> {
        let mut places = Vec::new();
        for (event, sent) in append.events.iter().enumerate() {
            let known = old.iter().find(|(w, e, _)| (*w, *e) == (write, event));
            let twin =
                gone.iter().find(|(stream, id, _)| *stream == append.stream && Some(*id) == sent.name());
            places.push(match (known, twin) {
                (Some((_, _, place)), _) => *place,
                (None, Some((_, _, place))) => Place { replayed: true, ..*place },
                (None, None) => {
                    let place = self.push(append.stream, *sent);
                    gone.extend(sent.name().map(|name| (append.stream, name, place)));
                    place
                }
            });
        }
        // A stream keeps its newest events whenever one is appended.
        if places.iter().any(|place| !place.replayed) {
            self.streams[append.stream].remove_surplus();
        }
        places
    }

    fn push(&mut self, stream: usize, sent: Sent) -> Place {
        let position = self.take_position();
        let state = &mut self.streams[stream];
        state.began.get_or_insert(position);
        state.deleted = false;
        let revision = state.events.len() as u64;
        state.events.push(Event { position, sent });
        self.appended.push((stream, revision));
        Place { revision, position, replayed: false }
    }
}
