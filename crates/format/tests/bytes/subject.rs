//! Subjects: sealed events, erased keys, and the file of keys.

use crate::golden;
use crate::samples::{CLOCK, Sample};
use format::header::{HEADER_BYTES_MAX, HeaderError, StoreId, SubjectKeysHeader};
use format::row::{erased_key, parse_erased_key};
use format::subject_key::{KeyRecord, RECORD_BYTES, RECORDS_AT, SubjectTag};
use format::{FormatError, entry, outcome};
use model::{
    Append, Behaviour, Command, EraseSubject, Expected, Filled, Fingerprint, IdHash, Identity, KeyId,
    NewEvent, Outcome, Slot, StreamName, Wall,
};

const HEADER: SubjectKeysHeader =
    SubjectKeysHeader { store: StoreId(0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10), tag_key: [0xc5; 60] };
const KEPT: KeyRecord = KeyRecord::Kept {
    id: KeyId(0x0001_e240),
    subject: SubjectTag([0xa1; 16]),
    nonce: [0xb2; 12],
    wrapped: [0xd3; 80],
};
const ERASED: KeyRecord = KeyRecord::Erased { id: KeyId(0x0001_e240) };

fn commands() -> [Command<'static>; 2] {
    let sealed = NewEvent {
        identity: Identity::Client(IdHash(7)),
        fingerprint: Fingerprint(8),
        filled: Filled(5),
        event_type: "joined".into(),
        key_id: KeyId(0x0001_e240),
        envelope: vec![0, 0xff, 0x7f].into(),
    };
    let append = Append {
        keyed: None,
        stream: StreamName::new("person-7").unwrap(),
        expected: Expected::Any,
        events: vec![sealed],
    };
    [Command::Append(append), Command::EraseSubject(EraseSubject { key_id: KeyId(0x0001_e240) })]
}

fn encode(command: &Command<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    entry::encode(Behaviour(1), CLOCK, std::slice::from_ref(command), &mut out);
    out
}

fn encoded_outcome() -> Vec<u8> {
    let mut out = Vec::new();
    outcome::encode(&Outcome::SubjectErased { erased: Wall(1_764_381_600_000) }, &mut out);
    out
}

fn samples() -> Vec<Sample> {
    let [sealed, erase] = commands();
    vec![
        ("sealed-append", encode(&sealed)),
        ("erase-subject", encode(&erase)),
        ("subject-erased", encoded_outcome()),
        ("erased-key-key", erased_key(Slot(0), KeyId(0x0001_e240)).to_vec()),
        ("header", HEADER.encode()),
        ("record-kept", KEPT.encode().to_vec()),
        ("record-erased", ERASED.encode().to_vec()),
    ]
}

#[test]
fn the_bytes_of_subjects_never_change() {
    golden::check("subject.hex", &samples());
}

#[test]
fn subjects_read_back_as_they_were() {
    for command in commands() {
        assert_eq!(entry::decode(&encode(&command)).unwrap().commands, [command]);
    }
    let erased = Outcome::SubjectErased { erased: Wall(1_764_381_600_000) };
    assert_eq!(outcome::decode(&encoded_outcome()), Ok(erased));
    assert_eq!(parse_erased_key(&erased_key(Slot(0), KeyId(7))), Ok(KeyId(7)));
    let header = HEADER.encode();
    assert!(header.len() == SubjectKeysHeader::BYTES && header.len() <= RECORDS_AT.min(HEADER_BYTES_MAX));
    assert_eq!(SubjectKeysHeader::decode(&header), Ok(HEADER));
    assert_eq!(SubjectKeysHeader::decode(&[0; 128]), Err(HeaderError::Blank));
    for record in [KEPT, ERASED] {
        assert_eq!(KeyRecord::decode(&record.encode()), Ok(record));
    }
}

#[test]
fn a_sealed_event_without_a_key_is_refused() {
    let [sealed, _] = commands();
    let mut bytes = encode(&sealed);
    let at = bytes.windows(4).position(|four| four == 0x0001_e240_u32.to_le_bytes()).unwrap();
    bytes[at..at + 4].fill(0);
    assert_eq!(entry::decode(&bytes), Err(FormatError::Invalid { what: "key of a sealed event", number: 0 }));
}

#[test]
fn a_record_with_any_flipped_bit_is_rejected() {
    for record in [KEPT, ERASED] {
        for bit in 0..RECORD_BYTES * 8 {
            let mut flipped = record.encode();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(KeyRecord::decode(&flipped), Err(FormatError::Checksum), "{bit}");
        }
    }
}
