//! Parameters that are read, and those that are refused by name.

use super::*;

const CURSOR: &str = "00000000000000070007";

#[test]
fn parameters_are_read() {
    let read = ReadStream::parse(
        Some("from=7&limit=1000&direction=backward&as_of=2010-10-02T07:20:39+02:00"),
        ReadForm::Json,
    );
    let read = read.unwrap();
    assert_eq!(
        (read.start, read.limit, read.direction),
        (StreamStart::From(Revision(7)), Some(1_000), Direction::Backward)
    );
    assert_eq!(
        read.as_of.and_then(AsOf::wall),
        Some(Wall(1_285_996_839_000)),
        "an offset's `+` may come bare"
    );
    let read =
        ReadStore::parse(Some("type=a&type=b%26&prefix=cart-&&after=00000000000000070007"), ReadForm::Lines);
    let read = read.unwrap();
    assert_eq!((read.types, read.prefix.as_deref()), (vec!["a".into(), "b&".into()], Some("cart-")));
    assert_eq!(read.start, StoreStart::After(CURSOR.parse().unwrap()));
    let follow = ReadStream::parse(Some("from=end"), ReadForm::Follow).unwrap();
    assert_eq!(follow.start, StreamStart::End);
    assert_eq!(ReadStream::parse(None, ReadForm::Json), Ok(ReadStream::default()));
}

#[test]
fn what_cannot_be_used_is_refused_by_name() {
    use Code::{DuplicateParameter, InvalidParameter, UnknownParameter};
    use ReadForm::{Follow, Json, Lines};
    for (query, form, code, name) in [
        ("form=7", Json, UnknownParameter, "form"),
        ("from=7&from=8", Json, DuplicateParameter, "from"),
        ("from=", Json, InvalidParameter, "from"),
        ("from", Json, InvalidParameter, "from"),
        ("from=-1", Json, InvalidParameter, "from"),
        ("from=%2B1", Json, InvalidParameter, "from"),
        ("from=1.5", Json, InvalidParameter, "from"),
        ("from=99999999999999999999", Json, InvalidParameter, "from"),
        ("from=end", Json, InvalidParameter, "from"),
        ("limit=0", Json, InvalidParameter, "limit"),
        ("limit=1001", Json, InvalidParameter, "limit"),
        ("limit=-5", Lines, InvalidParameter, "limit"),
        ("limit=5", Follow, InvalidParameter, "limit"),
        ("direction=up", Json, InvalidParameter, "direction"),
        ("direction=backward", Follow, InvalidParameter, "direction"),
        ("direction=backward&after=00000000000000070007", Json, InvalidParameter, "direction"),
        ("from=1&after=00000000000000070007", Json, InvalidParameter, "after"),
        ("after=7", Json, InvalidParameter, "after"),
        ("as_of=yesterday", Json, InvalidParameter, "as_of"),
        ("as_of=2010-02-30T00:00:00Z", Json, InvalidParameter, "as_of"),
        ("as_of=2010-01-01T00:00:00Z", Follow, InvalidParameter, "as_of"),
        ("as_of_event_time=1286004039", Json, InvalidParameter, "as_of_event_time"),
        ("from=%zz", Json, InvalidParameter, "from"),
        ("from=%ff", Json, InvalidParameter, "from"),
        ("%zz=1", Json, InvalidParameter, "%zz"),
    ] {
        let problem = ReadStream::parse(Some(query), form).expect_err(query);
        let json: serde_json::Value = serde_json::from_slice(&problem.to_bytes()).unwrap();
        assert_eq!((problem.code, json["parameter"].as_str()), (code, Some(name)), "{query}");
    }
    assert!(ReadStore::parse(Some("type="), Json).is_err());
    assert!(none(Some("x=1")).is_err() && none(Some("")).is_ok() && none(None).is_ok());
    assert!(ListStreams::parse(Some("limit=1001")).is_err());
}
