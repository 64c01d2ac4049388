//! The primitives of every format: little-endian integers, varints (LEB128), and bytes preceded by their
//! length.
//!
//! Reading never panics and never allocates. A length or count is accepted only if enough bytes follow, so
//! hostile input cannot make a caller allocate more than a small multiple of what it sent.

use alloc::vec::Vec;
use core::fmt;

/// Why bytes cannot be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FormatError {
    /// The bytes end too early: a write was torn, or the rest has not been read yet.
    Truncated,
    /// Bytes remain after the end.
    Trailing,
    /// The checksum does not match.
    Checksum,
    /// A number is out of range or a tag is unknown; `what` says which.
    Invalid { what: &'static str, number: u64 },
    /// Text is not UTF-8, or not a valid name.
    Text { what: &'static str },
}

impl FormatError {
    pub(crate) const fn invalid(what: &'static str, number: u64) -> Self {
        Self::Invalid { what, number }
    }
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("the bytes end too early"),
            Self::Trailing => f.write_str("bytes remain after the end"),
            Self::Checksum => f.write_str("the checksum does not match"),
            Self::Invalid { what, number } => write!(f, "{number} is not a valid {what}"),
            Self::Text { what } => write!(f, "a {what} is not valid text"),
        }
    }
}

impl core::error::Error for FormatError {}

/// Reads from the front of a slice.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    #[must_use]
    pub const fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// # Errors
    /// [`FormatError::Trailing`] unless everything was read.
    pub const fn end(&self) -> Result<(), FormatError> {
        if self.rest.is_empty() { Ok(()) } else { Err(FormatError::Trailing) }
    }

    /// # Errors
    /// [`FormatError::Truncated`].
    pub fn bytes(&mut self, len: usize) -> Result<&'a [u8], FormatError> {
        let (head, rest) = self.rest.split_at_checked(len).ok_or(FormatError::Truncated)?;
        self.rest = rest;
        Ok(head)
    }

    /// Whether nothing is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// All remaining bytes.
    pub fn rest(&mut self) -> &'a [u8] {
        core::mem::take(&mut self.rest)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], FormatError> {
        let (head, rest) = self.rest.split_first_chunk::<N>().ok_or(FormatError::Truncated)?;
        self.rest = rest;
        Ok(*head)
    }

    /// # Errors
    /// [`FormatError::Truncated`].
    pub fn u8(&mut self) -> Result<u8, FormatError> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// # Errors
    /// [`FormatError::Truncated`].
    pub fn u16(&mut self) -> Result<u16, FormatError> {
        self.array().map(u16::from_le_bytes)
    }

    /// # Errors
    /// [`FormatError::Truncated`].
    pub fn u32(&mut self) -> Result<u32, FormatError> {
        self.array().map(u32::from_le_bytes)
    }

    /// # Errors
    /// [`FormatError::Truncated`].
    pub fn u64(&mut self) -> Result<u64, FormatError> {
        self.array().map(u64::from_le_bytes)
    }

    /// # Errors
    /// [`FormatError::Truncated`].
    pub fn u128(&mut self) -> Result<u128, FormatError> {
        self.array().map(u128::from_le_bytes)
    }

    /// # Errors
    /// [`FormatError::Truncated`], or `Invalid` for a number beyond 64 bits.
    pub fn varint(&mut self) -> Result<u64, FormatError> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(FormatError::invalid("varint", u64::MAX))
    }

    /// Bytes preceded by their length (a varint).
    ///
    /// # Errors
    /// [`FormatError::Truncated`] when the length exceeds the remaining bytes.
    pub fn prefixed(&mut self) -> Result<&'a [u8], FormatError> {
        let len = self.varint()?;
        self.bytes(usize::try_from(len).map_err(|_| FormatError::Truncated)?)
    }

    /// Text preceded by its length (a varint).
    ///
    /// # Errors
    /// [`FormatError::Truncated`] or [`FormatError::Text`].
    pub fn text(&mut self, what: &'static str) -> Result<&'a str, FormatError> {
        core::str::from_utf8(self.prefixed()?).map_err(|_| FormatError::Text { what })
    }

    /// A count (a varint) of items that take at least `each_bytes` bytes each. A count that exceeds what the
    /// remaining bytes can hold is an error, before anything is allocated for it.
    ///
    /// # Errors
    /// [`FormatError::Truncated`].
    pub fn count(&mut self, each_bytes: usize) -> Result<usize, FormatError> {
        let count = usize::try_from(self.varint()?).map_err(|_| FormatError::Truncated)?;
        if count > self.rest.len() / each_bytes.max(1) {
            return Err(FormatError::Truncated);
        }
        Ok(count)
    }
}

/// Appends to a buffer.
#[derive(Debug)]
pub struct Writer<'a> {
    out: &'a mut Vec<u8>,
}

impl<'a> Writer<'a> {
    pub const fn new(out: &'a mut Vec<u8>) -> Self {
        Self { out }
    }

    pub fn bytes(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    pub fn u8(&mut self, number: u8) {
        self.out.push(number);
    }

    pub fn u16(&mut self, number: u16) {
        self.bytes(&number.to_le_bytes());
    }

    pub fn u32(&mut self, number: u32) {
        self.bytes(&number.to_le_bytes());
    }

    pub fn u64(&mut self, number: u64) {
        self.bytes(&number.to_le_bytes());
    }

    pub fn u128(&mut self, number: u128) {
        self.bytes(&number.to_le_bytes());
    }

    pub fn varint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.out.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.out.push(number as u8);
    }

    pub fn prefixed(&mut self, bytes: &[u8]) {
        self.varint(bytes.len() as u64);
        self.bytes(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_survive_the_wire() {
        for number in [0, 1, 0x7f, 0x80, 0x3fff, 0x4000, u64::from(u32::MAX), u64::MAX - 1, u64::MAX] {
            let mut out = Vec::new();
            let mut writer = Writer::new(&mut out);
            writer.varint(number);
            writer.u64(number);
            writer.u128(u128::from(number) << 64);
            let mut reader = Reader::new(&out);
            assert_eq!(reader.varint(), Ok(number));
            assert_eq!(reader.u64(), Ok(number));
            assert_eq!(reader.u128(), Ok(u128::from(number) << 64));
            assert_eq!(reader.end(), Ok(()));
        }
    }

    #[test]
    fn a_varint_beyond_64_bits_is_rejected() {
        for bytes in [&[0xff; 11][..], &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02]] {
            let error = Reader::new(bytes).varint();
            assert_eq!(error, Err(FormatError::invalid("varint", u64::MAX)), "{bytes:?}");
        }
    }

    #[test]
    fn a_length_beyond_the_bytes_is_rejected() {
        let mut out = Vec::new();
        Writer::new(&mut out).varint(u64::MAX);
        out.extend_from_slice(&[0; 32]);
        assert_eq!(Reader::new(&out).prefixed(), Err(FormatError::Truncated));
        assert_eq!(Reader::new(&out).count(1), Err(FormatError::Truncated));
        let mut out = Vec::new();
        Writer::new(&mut out).varint(5);
        out.extend_from_slice(&[0; 32]);
        assert_eq!(
            Reader::new(&out).count(7),
            Err(FormatError::Truncated),
            "5 items of 7 bytes need more than 32 bytes"
        );
        assert_eq!(Reader::new(&out).count(6), Ok(5));
    }
}
