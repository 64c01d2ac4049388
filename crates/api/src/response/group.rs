//! Groups as they are.

use super::queue::{write_id, write_name, write_number_member, write_text_member};
use crate::json;
use crate::response::task_state;
use model::{Cursor, Position, Slot, TaskState};

/// Everything about one group.
#[derive(Clone, Debug)]
pub struct Group<'a> {
    pub id: &'a str,
    pub cursor: Cursor,
    pub counts: Counts,
    pub members: Vec<Member<'a>>,
    pub then: Option<Follower<'a>>,
    pub on_dead: Option<Follower<'a>>,
}

/// How a group stands, and its members, counted.
#[derive(Clone, Copy, Debug)]
pub struct Counts {
    /// In the words of the API.
    pub state: &'static str,
    pub total: u32,
    pub done: u32,
    pub failed: u32,
}

#[derive(Clone, Copy, Debug)]
pub enum Member<'a> {
    Task { queue: &'a str, id: Option<&'a str>, position: Position, slot: Slot, state: TaskState },
    Group(Counts),
}

/// A task that follows.
#[derive(Clone, Copy, Debug)]
pub struct Follower<'a> {
    pub queue: &'a str,
    pub slot: Slot,
    /// Where it is, once it was enqueued.
    pub at: Option<Position>,
}

impl Group<'_> {
    /// Writes the group as an object.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"id\":");
        json::write_text(out, self.id);
        write_text_member(out, "cursor", &self.cursor.to_string());
        out.push(b',');
        self.counts.write_members(out);
        out.extend_from_slice(b",\"members\":[");
        for (at, member) in self.members.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            member.write(out);
        }
        out.push(b']');
        for (name, follower) in [("then", &self.then), ("on_dead", &self.on_dead)] {
            write_name(out, name);
            match follower {
                None => out.extend_from_slice(b"null"),
                Some(follower) => follower.write(out),
            }
        }
        out.push(b'}');
    }
}

impl Counts {
    /// Writes the members, the first without a comma before it.
    fn write_members(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"\"state\":");
        json::write_text(out, self.state);
        write_number_member(out, "total", self.total.into());
        write_number_member(out, "done", self.done.into());
        write_number_member(out, "failed", self.failed.into());
    }
}

impl Member<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Task { queue, id, position, slot, state } => {
                out.extend_from_slice(b"{\"queue\":");
                json::write_text(out, queue);
                write_name(out, "id");
                write_id(out, *id, *position, *slot);
                write_text_member(out, "state", task_state(*state));
                out.push(b'}');
            }
            Self::Group(counts) => {
                out.extend_from_slice(b"{\"group\":{");
                counts.write_members(out);
                out.extend_from_slice(b"}}");
            }
        }
    }
}

impl Follower<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"queue\":");
        json::write_text(out, self.queue);
        write_name(out, "id");
        match self.at {
            None => out.extend_from_slice(b"null"),
            Some(at) => write_id(out, None, at, self.slot),
        }
        out.push(b'}');
    }
}

/// Writes `{"id":...,"cursor":...,"replayed":...}`
pub fn write_created(out: &mut Vec<u8>, id: &str, cursor: Cursor, replayed: bool) {
    out.extend_from_slice(b"{\"id\":");
    json::write_text(out, id);
    write_text_member(out, "cursor", &cursor.to_string());
    out.extend_from_slice(if replayed { b",\"replayed\":true}" } else { b",\"replayed\":false}" });
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn a_group_is_shown_with_its_members_and_what_follows() {
        let counts = Counts { state: "open", total: 2, done: 1, failed: 0 };
        let (position, slot) = (Position(1), Slot(7));
        let task = Member::Task { queue: "q", id: Some("a"), position, slot, state: TaskState::Done };
        let group = Group {
            id: "g",
            cursor: Cursor::new(position, slot),
            counts,
            members: vec![task, Member::Group(counts)],
            then: Some(Follower { queue: "q", slot, at: None }),
            on_dead: Some(Follower { queue: "r", slot, at: Some(position) }),
        };
        let mut out = Vec::new();
        group.write(&mut out);
        let written: Value = serde_json::from_slice(&out).unwrap();
        let inner = json!({"state":"open","total":2,"done":1,"failed":0});
        assert_eq!(
            written,
            json!({"id":"g","cursor":"00000000000000010007","state":"open","total":2,"done":1,"failed":0,
                "members":[{"queue":"q","id":"a","state":"done"},{"group":inner}],
                "then":{"queue":"q","id":null},"on_dead":{"queue":"r","id":"~00000000000000010007"}})
        );
        let empty = Group { members: Vec::new(), then: None, on_dead: None, ..group };
        let mut out = Vec::new();
        empty.write(&mut out);
        let written: Value = serde_json::from_slice(&out).unwrap();
        assert_eq!((&written["members"], &written["then"]), (&json!([]), &Value::Null));
    }
}
