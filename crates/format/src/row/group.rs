//! The rows of groups. They are in the slot of the name of the outermost group.

use crate::group::{get_task, put_task};
use crate::outcome::get_flag;
use crate::queue::{get_option, get_u32, put_option};
use crate::row::key::{Fill, PREFIX_BYTES, Take, kind};
use crate::row::value::layout;
use crate::wire::{FormatError, Reader, Writer};
use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use model::{Fingerprint, GroupTask, KeyRange, Namespace, Position, Slot};

const LAYOUT: u8 = 1;

/// A group in its slot. Its id is the position at which it was created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupKeys {
    pub slot: Slot,
    pub id: Position,
}

/// A place in a group: the group, and the number of the member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupPlace {
    pub group: GroupKeys,
    pub member: u32,
}

const GROUP_KEY_BYTES: usize = PREFIX_BYTES + 8;

/// What follows in a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Follows {
    Then,
    OnDead,
}

impl GroupKeys {
    fn fill<const N: usize>(self, kind: u8) -> Fill<N> {
        Fill::new(self.slot, Namespace::ROOT, kind).with(self.id.0.to_be_bytes())
    }

    /// The key of the row that holds a group's position.
    #[must_use]
    pub fn name(slot: Slot, name: &str) -> Vec<u8> {
        let mut key = Fill::<PREFIX_BYTES>::new(slot, Namespace::ROOT, kind::GROUP_NAME).done().to_vec();
        key.extend_from_slice(name.as_bytes());
        key
    }

    /// The key of [`GroupRow`].
    #[must_use]
    pub fn group(self) -> [u8; GROUP_KEY_BYTES] {
        self.fill(kind::GROUP).done()
    }

    /// The key of a task that may follow.
    #[must_use]
    pub fn follows(self, which: Follows) -> [u8; GROUP_KEY_BYTES] {
        self.fill(match which {
            Follows::Then => kind::GROUP_THEN,
            Follows::OnDead => kind::GROUP_ON_DEAD,
        })
        .done()
    }

    /// The key of [`MemberRow`].
    #[must_use]
    pub fn member(self, member: u32) -> [u8; GROUP_KEY_BYTES + 4] {
        self.fill(kind::GROUP_MEMBER).with(member.to_be_bytes()).done()
    }

    /// The number in the key of [`Self::member`].
    ///
    /// # Errors
    /// [`FormatError`] when it is the key of another kind of row.
    pub fn parse_member(key: &[u8]) -> Result<u32, FormatError> {
        let (_, _, mut take) = Take::of(key, kind::GROUP_MEMBER, "member's key")?;
        let _: [u8; 8] = take.next()?;
        let member = u32::from_be_bytes(take.next()?);
        take.end()?;
        Ok(member)
    }
}

/// The keys of all members of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberRange {
    from: [u8; GROUP_KEY_BYTES + 4],
    to: [u8; GROUP_KEY_BYTES + 4],
}

impl MemberRange {
    #[must_use]
    pub fn of(group: GroupKeys) -> Self {
        Self { from: group.member(0), to: group.member(u32::MAX) }
    }

    #[must_use]
    pub fn as_range(&self) -> KeyRange<'_> {
        KeyRange { from: &self.from, to: &self.to }
    }
}

/// A group, counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupRow {
    /// The client's name, and a hash of what the client sent; only of the outermost group.
    pub named: Option<(String, Fingerprint)>,
    /// Its place in the group that it is a member of.
    pub place: Option<GroupPlace>,
    pub members: u32,
    pub done: u32,
    /// Members that are dead or cancelled.
    pub failed: u32,
    /// Members of which there are still rows.
    pub kept: u32,
    pub has_then: bool,
    pub has_on_dead: bool,
    /// What has followed: where the task is, and whether it was enqueued.
    pub then_at: Option<Position>,
    pub on_dead_at: Option<Position>,
}

impl GroupRow {
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64);
        let mut writer = Writer::new(&mut out);
        writer.u8(LAYOUT);
        put_option(&mut writer, self.named.as_ref(), |writer, (name, fingerprint)| {
            writer.prefixed(name.as_bytes());
            writer.u128(fingerprint.0);
        });
        put_option(&mut writer, self.place, put_place);
        for count in [self.members, self.done, self.failed, self.kept] {
            writer.varint(u64::from(count));
        }
        writer.u8(u8::from(self.has_then));
        writer.u8(u8::from(self.has_on_dead));
        put_option(&mut writer, self.then_at, |writer, at| writer.u64(at.0));
        put_option(&mut writer, self.on_dead_at, |writer, at| writer.u64(at.0));
        out
    }

    /// # Errors
    /// [`FormatError`] when these are not the bytes of a group's row.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut reader = Reader::new(bytes);
        layout(&mut reader, "group row")?;
        let row = Self {
            named: get_option(&mut reader, |reader| {
                Ok((reader.text("group name")?.to_owned(), Fingerprint(reader.u128()?)))
            })?,
            place: get_option(&mut reader, get_place)?,
            members: get_u32(&mut reader)?,
            done: get_u32(&mut reader)?,
            failed: get_u32(&mut reader)?,
            kept: get_u32(&mut reader)?,
            has_then: get_flag(&mut reader)?,
            has_on_dead: get_flag(&mut reader)?,
            then_at: get_option(&mut reader, |reader| reader.u64().map(Position))?,
            on_dead_at: get_option(&mut reader, |reader| reader.u64().map(Position))?,
        };
        reader.end()?;
        Ok(row)
    }
}

pub(crate) fn put_place(writer: &mut Writer<'_>, place: GroupPlace) {
    writer.u16(place.group.slot.0);
    writer.u64(place.group.id.0);
    writer.varint(u64::from(place.member));
}

pub(crate) fn get_place(reader: &mut Reader<'_>) -> Result<GroupPlace, FormatError> {
    let group = GroupKeys { slot: Slot(reader.u16()?), id: Position(reader.u64()?) };
    Ok(GroupPlace { group, member: get_u32(reader)? })
}

/// Who a member is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MemberRow {
    Task { queue: String, task: Position },
    Group(Position),
}

impl MemberRow {
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(32);
        let mut writer = Writer::new(&mut out);
        writer.u8(LAYOUT);
        match self {
            Self::Task { queue, task } => {
                writer.u8(1);
                writer.prefixed(queue.as_bytes());
                writer.u64(task.0);
            }
            Self::Group(group) => {
                writer.u8(2);
                writer.u64(group.0);
            }
        }
        out
    }

    /// # Errors
    /// [`FormatError`] when these are not the bytes of a member's row.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut reader = Reader::new(bytes);
        layout(&mut reader, "member's row")?;
        let row = match reader.u8()? {
            1 => Self::Task { queue: reader.text("queue name")?.to_owned(), task: Position(reader.u64()?) },
            2 => Self::Group(Position(reader.u64()?)),
            other => return Err(FormatError::invalid("kind of member", u64::from(other))),
        };
        reader.end()?;
        Ok(row)
    }
}

/// The value of a task that may follow.
#[must_use]
pub fn encode_follower(task: &GroupTask<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = Writer::new(&mut out);
    writer.u8(LAYOUT);
    put_task(&mut writer, task);
    out
}

/// The task in such a row.
///
/// # Errors
/// [`FormatError`] when these are not its bytes.
pub fn decode_follower(bytes: &[u8]) -> Result<GroupTask<'_>, FormatError> {
    let mut reader = Reader::new(bytes);
    layout(&mut reader, "task that follows")?;
    let task = get_task(&mut reader)?;
    reader.end()?;
    Ok(task)
}
