//! The bytes of rows in a memtable: short ones in place, long ones on the heap.
//!
//! Nearly all keys and values of the state are short (ids, revisions, hashes). Stored in place, they need no
//! allocation, and a look-up touches only the map's own nodes.

use std::cmp::Ordering;

/// Up to `N` bytes in place, more on the heap. The order is that of the bytes.
#[derive(Clone, Debug)]
pub(super) enum RowBytes<const N: usize> {
    Short { len: u8, bytes: [u8; N] },
    Long(Box<[u8]>),
}

/// A key with its tag. The longest frequent key fits in place (dedup: tag, slot, namespace, kind, stream id,
/// hash).
pub(super) type RowKey = RowBytes<38>;
/// A value. The frequent values fit in place (a position or revision, and a hash).
pub(super) type RowValue = RowBytes<30>;

impl<const N: usize> RowBytes<N> {
    pub(super) fn new(bytes: &[u8]) -> Self {
        Self::of_parts(&[], bytes)
    }

    /// The two parts, one after the other.
    pub(super) fn of_parts(first: &[u8], second: &[u8]) -> Self {
        let len = first.len() + second.len();
        let mut bytes = [0; N];
        match (u8::try_from(len), bytes.get_mut(..len)) {
            (Ok(short), Some(to)) => {
                let (start, rest) = to.split_at_mut(first.len());
                start.copy_from_slice(first);
                rest.copy_from_slice(second);
                Self::Short { len: short, bytes }
            }
            _ => Self::Long([first, second].concat().into_boxed_slice()),
        }
    }

    pub(super) fn as_slice(&self) -> &[u8] {
        match self {
            Self::Short { len, bytes } => bytes.get(..usize::from(*len)).unwrap_or(bytes),
            Self::Long(bytes) => bytes,
        }
    }

    pub(super) fn to_vec(&self) -> Vec<u8> {
        self.as_slice().to_vec()
    }

    /// Bytes on the heap.
    pub(super) fn heap_bytes(&self) -> usize {
        match self {
            Self::Short { .. } => 0,
            Self::Long(bytes) => bytes.len(),
        }
    }
}

impl<const N: usize> PartialEq for RowBytes<N> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<const N: usize> Eq for RowBytes<N> {}

impl<const N: usize> PartialOrd for RowBytes<N> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<const N: usize> Ord for RowBytes<N> {
    /// The order of slices. Short ones are padded with zeros, so whole words can be compared. If two differ
    /// only in zeros at the end, the shorter one is less.
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Short { len, bytes }, Self::Short { len: other_len, bytes: other_bytes }) => {
                compare_words(bytes, other_bytes).then(len.cmp(other_len))
            }
            _ => self.as_slice().cmp(other.as_slice()),
        }
    }
}

/// Compares eight bytes at a time, at a quarter of the cost of `memcmp` for keys of this length.
fn compare_words<const N: usize>(a: &[u8; N], b: &[u8; N]) -> Ordering {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    for (a, b) in a.iter().zip(b) {
        let (a, b) = (u64::from_be_bytes(*a), u64::from_be_bytes(*b));
        if a != b {
            return a.cmp(&b);
        }
    }
    a_rest.cmp(b_rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_of_any_length_read_back_and_sort_like_slices() {
        let mut last: Option<RowKey> = None;
        for len in [0, 1, 37, 38, 39, 300] {
            let bytes = vec![7; len];
            let row = RowKey::of_parts(&bytes[..len / 3], &bytes[len / 3..]);
            assert_eq!(row.as_slice(), bytes);
            assert_eq!(matches!(row, RowBytes::Long(_)), len > 38);
            assert!(last.is_none_or(|last| last < row));
            last = Some(row);
        }
    }

    #[test]
    fn zeros_at_the_end_count_as_they_do_in_slices() {
        let keys: [&[u8]; 7] = [b"", b"\0", b"\0\0", b"\0a", b"a", b"a\0", &[b'a'; 60]];
        for (at, a) in keys.iter().enumerate() {
            for (other, b) in keys.iter().enumerate() {
                assert_eq!(RowKey::new(a).cmp(&RowKey::new(b)), at.cmp(&other), "{a:?} {b:?}");
            }
        }
    }

    #[test]
    fn rows_stay_small() {
        assert_eq!(size_of::<RowKey>(), 40);
        assert_eq!(size_of::<Option<RowValue>>(), 32);
    }
}
