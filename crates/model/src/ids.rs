//! Ids and numbers. Each is a type of its own, so that two of them cannot be swapped by accident.

use crate::hex::parse_hex;
use crate::outcome::KeyDifference;
use core::fmt;
use core::str::FromStr;

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number! {
    /// What a name belongs to; part of its slot. Only [`Namespace::ROOT`] exists so far.
    Namespace(u32)
}
number! {
    /// One of 65,536 hash values of a name. A shard owns a range of slots.
    Slot(u16)
}
number! {
    /// An event's location in its shard's order: a hybrid logical timestamp of 48 bits of milliseconds since
    /// 1970 and 16 bits of counter. It is unique and increasing within the shard.
    Position(u64)
}
number! {
    /// An event's number in its own stream, from 0.
    Revision(u64)
}
number! {
    /// An entry's time of day in milliseconds since 1970. It is never earlier than that of the previous
    /// entry.
    Wall(u64)
}
number! {
    /// An entry's elapsed time in milliseconds. It does not jump when the wall clock does.
    Elapsed(u64)
}
number! {
    /// The version of `apply` that an entry must be applied under.
    Behaviour(u16)
}
number! {
    /// A stream's number within its slot: the position that was taken when the stream was created.
    StreamId(u64)
}
number! {
    /// The subject key that an event is sealed with. 0 means that it is not sealed. The same subject never has two keys
    /// at a time, and no number is used for a second key.
    KeyId(u32)
}
number! {
    /// One replicated group: one shard's log.
    GroupId(u32)
}
number! {
    /// An entry's number in its group's log (Raft's index).
    Index(u64)
}
number! {
    /// Raft's term.
    Term(u64)
}
number! {
    /// 128-bit hash (XXH3) of an event's `source` and `id`: its identity within a stream.
    IdHash(u128)
}
number! {
    /// 128-bit hash (XXH3) of what a client sent, before anything was filled in.
    Fingerprint(u128)
}
number! {
    /// 128-bit hash (XXH3) of an idempotency key with its scope (caller, method, decoded route).
    KeyHash(u128)
}

impl KeyId {
    /// The event is not sealed.
    pub const NONE: Self = Self(0);
}

impl Namespace {
    /// The one namespace that exists so far.
    pub const ROOT: Self = Self(0);
    /// Reserved for rows that belong to no name: timers in each slot, and the shard's clock in its first slot.
    pub const SYSTEM: Self = Self(u32::MAX);
}

/// The slots that a shard owns, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotRange {
    pub first: Slot,
    pub last: Slot,
}

impl SlotRange {
    /// All slots: those of a store with one shard.
    pub const ALL: Self = Self { first: Slot(0), last: Slot(u16::MAX) };

    #[must_use]
    pub const fn contains(self, slot: Slot) -> bool {
        self.first.0 <= slot.0 && slot.0 <= self.last.0
    }
}

impl Position {
    /// Bits of the counter below the milliseconds.
    pub const COUNTER_BITS: u32 = 16;
    /// No event has this position: it stands for "before the first".
    pub const ZERO: Self = Self(0);
    pub const MAX: Self = Self(u64::MAX);

    /// The first position of a millisecond. Walls beyond 48 bits saturate (the year 10889).
    #[must_use]
    pub const fn first_of(wall: Wall) -> Self {
        if wall.0 >> 48 != 0 { Self(u64::MAX) } else { Self(wall.0 << Self::COUNTER_BITS) }
    }

    /// The last position of a millisecond: "as of" a time covers its whole millisecond.
    #[must_use]
    pub const fn last_of(wall: Wall) -> Self {
        Self(Self::first_of(wall).0 | ((1 << Self::COUNTER_BITS) - 1))
    }

    /// The millisecond of this position: the event's recorded time.
    #[must_use]
    pub const fn wall(self) -> Wall {
        Wall(self.0 >> Self::COUNTER_BITS)
    }

    /// The position that follows this one at `wall`: `max(wall << 16, last + 1)`.
    #[must_use]
    pub fn next(self, wall: Wall) -> Self {
        Self(Self::first_of(wall).0.max(self.0.saturating_add(1)))
    }
}

impl Revision {
    pub const FIRST: Self = Self(0);

    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl Fingerprint {
    /// The low bits hold the time that was sent, and all higher bits the rest of the content.
    const TIME_BITS: u32 = 48;
    const TIME: u128 = (1 << Self::TIME_BITS) - 1;

    /// `content` is a hash of everything sent except the time. `time` is the sent time in milliseconds if it
    /// has the server's own form, a hash of its text if it has another form, and 0 if no time was sent.
    #[must_use]
    pub const fn new(content: u128, time: u64) -> Self {
        Self((content & !Self::TIME) | (time as u128 & Self::TIME))
    }

    /// The bits that hold the content, without the time.
    #[must_use]
    pub const fn content_bits(self) -> u128 {
        self.0 & !Self::TIME
    }

    /// The time that was sent, as [`Self::new`] got it; 0 if none was.
    #[must_use]
    pub const fn time_bits(self) -> u64 {
        (self.0 & Self::TIME) as u64
    }

    /// The fingerprint of a request with an idempotency key. Both halves are kept, to distinguish a retry
    /// with a different precondition from a request with different content.
    #[must_use]
    pub const fn of_request(content: u64, precondition: u64) -> Self {
        Self((content as u128) << 64 | precondition as u128)
    }

    /// How the request `other` differs from the request that has this fingerprint; `None` if they are the
    /// same.
    #[must_use]
    pub const fn request_difference(self, other: Self) -> Option<KeyDifference> {
        if self.0 >> 64 != other.0 >> 64 {
            Some(KeyDifference::Content)
        } else if self.0 != other.0 {
            Some(KeyDifference::Precondition)
        } else {
            None
        }
    }

    /// Whether `sent` describes the same event as the one stored with this fingerprint at `position`: it is
    /// either what was sent then, or the same with the time that the server filled in. The second case lets an
    /// exported event be imported again as a replay when its client sent an id but no time.
    #[must_use]
    pub const fn is_repeated_by(self, sent: Self, position: Position) -> bool {
        let filled_in = self.0 & Self::TIME == 0 && sent.0 & Self::TIME == position.wall().0 as u128;
        self.0 == sent.0 || (filled_in && self.0 == sent.0 & !Self::TIME)
    }
}

/// The two clocks that an entry carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EntryClock {
    pub wall: Wall,
    pub elapsed: Elapsed,
}

/// An event's location in the order of the whole store: position, then slot. On the wire it is 20 lower-case hex
/// digits, so that sorting the texts sorts the cursors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cursor {
    pub position: Position,
    pub slot: Slot,
}

impl Cursor {
    /// Digits on the wire.
    pub const DIGITS: usize = 20;
    /// Before the first event.
    pub const START: Self = Self { position: Position::ZERO, slot: Slot(0) };

    #[must_use]
    pub const fn new(position: Position, slot: Slot) -> Self {
        Self { position, slot }
    }

    /// The greatest cursor at or below `wall`'s whole millisecond.
    #[must_use]
    pub const fn last_of(wall: Wall) -> Self {
        Self { position: Position::last_of(wall), slot: Slot(u16::MAX) }
    }

    /// The wire form, without an allocation.
    #[must_use]
    pub fn to_hex(self) -> [u8; Self::DIGITS] {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let mut out = [0; Self::DIGITS];
        let mut rest = (u128::from(self.position.0) << 16) | u128::from(self.slot.0);
        for digit in out.iter_mut().rev() {
            *digit = HEX[(rest & 15) as usize];
            rest >>= 4;
        }
        out
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}{:04x}", self.position.0, self.slot.0)
    }
}

/// The text is not a cursor. A cursor has 20 lower-case hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseCursorError;

impl fmt::Display for ParseCursorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a cursor is 20 lower-case hex digits")
    }
}

impl core::error::Error for ParseCursorError {}

impl FromStr for Cursor {
    type Err = ParseCursorError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = parse_hex(text, Self::DIGITS).ok_or(ParseCursorError)?;
        Ok(Self { position: Position((number >> 16) as u64), slot: Slot(number as u16) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn a_cursor_survives_the_wire_and_texts_sort_like_cursors() {
        let mut last = alloc::string::String::new();
        for position in [0, 1, 255, 1 << 20, u64::MAX] {
            for slot in [0, 7, u16::MAX] {
                let cursor = Cursor::new(Position(position), Slot(slot));
                let text = cursor.to_string();
                assert_eq!(text.parse(), Ok(cursor));
                assert_eq!(text.as_bytes(), cursor.to_hex());
                assert!(last < text);
                last = text;
            }
        }
    }

    #[test]
    fn text_that_is_not_a_cursor_is_rejected() {
        for text in [
            "",
            "0",
            "0000000000000000000g",
            "000000000000000000A0",
            "+0000000000000000000",
            "000000000000000000000",
        ] {
            assert_eq!(text.parse::<Cursor>(), Err(ParseCursorError), "{text}");
        }
    }

    #[test]
    fn an_event_sent_back_with_its_filled_in_time_is_the_same() {
        let content = u128::MAX / 7;
        let position = Position::first_of(Wall(1_286_004_039_266));
        let (untimed, timed) = (Fingerprint::new(content, 0), Fingerprint::new(content, 1_286_004_039_266));
        assert!(untimed.is_repeated_by(untimed, position));
        assert!(untimed.is_repeated_by(timed, position));
        assert!(timed.is_repeated_by(timed, position));
        assert!(!timed.is_repeated_by(untimed, position), "a time that was sent is content");
        assert!(!untimed.is_repeated_by(Fingerprint::new(content, 1_286_004_039_267), position));
        assert!(!untimed.is_repeated_by(Fingerprint::new(content + (1 << 48), 0), position));
    }

    #[test]
    fn positions_never_repeat_whatever_the_wall_does() {
        let mut last = Position::ZERO;
        for wall in [5, 5, 5, 3, 0, 6] {
            let next = last.next(Wall(wall));
            assert!(next > last);
            last = next;
        }
        assert_eq!(last, Position(6 << 16));
        assert_eq!(
            Position((5 << 16) | 0xffff).next(Wall(5)).wall(),
            Wall(6),
            "a full counter borrows a millisecond"
        );
    }
}
