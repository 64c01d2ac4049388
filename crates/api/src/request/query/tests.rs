//! Parameters that are read, and those that are refused by name.

use super::*;
use crate::media::ReadForm::{Follow, Json, Lines};
use crate::request::token::ListTokens;
use model::Wall;

const CURSOR: &str = "00000000000000070007";

fn stream(query: &str, form: ReadForm) -> Read {
    Read::of_stream(Some(query), form).unwrap_or_else(|problem| panic!("{query}: {problem}"))
}

fn store(query: &str, form: ReadForm) -> Read {
    Read::of_store(Some(query), form).unwrap_or_else(|problem| panic!("{query}: {problem}"))
}

#[test]
fn where_a_read_starts_and_how_much_it_takes() {
    let cursor = CURSOR.parse().unwrap();
    let whole = Read::default();
    assert_eq!(Read::of_stream(None, Json), Ok(whole.clone()));
    assert_eq!(Read::of_store(None, Json), Ok(whole.clone()));
    let from = Read { start: Start::From(Revision(7)), ..whole.clone() };
    assert_eq!(stream("from=7", Json), from);
    assert_eq!(stream("from=7&direction=forward", Json), from);
    let backward = Read { order: Order::Descending, limit: Some(1_000), ..from };
    assert_eq!(stream("from=7&limit=1000&direction=backward", Json), backward);
    let after = Read { start: Start::After(cursor), ..whole.clone() };
    assert_eq!(stream(&format!("after={CURSOR}"), Json), after);
    assert_eq!(store(&format!("&after={CURSOR}&"), Lines), after);
    let end = Read { start: Start::End, ..whole };
    assert_eq!(stream("from=end", Follow), end);
    assert_eq!(store("after=end", Follow), end);
}

#[test]
fn both_routes_select_by_type_and_by_time() {
    for read in [stream, store] {
        assert_eq!(read("type=a&type=b%26", Lines).types, ["a", "b&"]);
        assert_eq!(read("type=a", Follow).types, ["a"]);
        let wall = |read: Read| match read.as_of {
            Some(AsOf::Time(time)) => time.wall(),
            other => panic!("{other:?}"),
        };
        let time = Some(Wall(1_285_996_839_000));
        assert_eq!(
            wall(read("as_of=2010-10-02T07:20:39+02:00", Json)),
            time,
            "an offset's `+` may come bare"
        );
        assert_eq!(wall(read("as_of=2010-10-02T05:20:39Z", Json)), time);
        assert_eq!(read("as_of=now", Json).as_of, Some(AsOf::Now));
        assert_eq!(read(&format!("as_of={CURSOR}"), Json).as_of, Some(AsOf::Cursor(CURSOR.parse().unwrap())));
        assert!(read("as_of_event_time=2010-10-02T05:20:39Z", Json).as_of_event_time.is_some());
    }
    assert_eq!(store("prefix=cart-", Json).prefix.as_deref(), Some("cart-"));
}

#[test]
fn a_subscriber_says_how_long_silence_may_last() {
    for read in [stream, store] {
        for (text, ms) in [("1s", 1_000), ("1500ms", 1_500), ("1m", 60_000)] {
            let read = read(&format!("keep_alive={text}"), Follow);
            assert_eq!(read.keep_alive, Some(Duration::from_millis(ms)), "{text}");
        }
    }
    for text in ["", "4", "s", "-1s", "1.5s", "1 s", "0s", "999ms", "61s", "18446744073709551616s"] {
        let why = parse_keep_alive(text).expect_err(text);
        assert!(why.contains("from 1s to 60s"), "{why}");
    }
}

#[test]
fn what_cannot_be_used_is_refused_by_name() {
    use Code::{DuplicateParameter, InvalidParameter, UnknownParameter};
    for (query, form, code, name) in [
        ("form=7", Json, UnknownParameter, "form"),
        ("prefix=a", Json, UnknownParameter, "prefix"),
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
        ("limit=0", Lines, InvalidParameter, "limit"),
        ("limit=5", Follow, InvalidParameter, "limit"),
        ("direction=up", Json, InvalidParameter, "direction"),
        ("direction=backward", Follow, InvalidParameter, "direction"),
        ("direction=backward&after=00000000000000070007", Json, InvalidParameter, "direction"),
        ("from=1&after=00000000000000070007", Json, InvalidParameter, "after"),
        ("after=7", Json, InvalidParameter, "after"),
        ("after=end", Follow, InvalidParameter, "after"),
        ("type=", Json, InvalidParameter, "type"),
        ("as_of=yesterday", Json, InvalidParameter, "as_of"),
        ("as_of=Now", Json, InvalidParameter, "as_of"),
        ("as_of=2010-02-30T00:00:00Z", Json, InvalidParameter, "as_of"),
        ("as_of=2010-01-01T00:00:00Z", Follow, InvalidParameter, "as_of"),
        ("as_of=now", Follow, InvalidParameter, "as_of"),
        ("as_of_event_time=1286004039", Json, InvalidParameter, "as_of_event_time"),
        ("as_of_event_time=now", Json, InvalidParameter, "as_of_event_time"),
        ("keep_alive=4s", Json, InvalidParameter, "keep_alive"),
        ("keep_alive=4s", Lines, InvalidParameter, "keep_alive"),
        ("keep_alive=1h", Follow, InvalidParameter, "keep_alive"),
        ("reader=billing", Json, InvalidParameter, "reader"),
        ("reader=billing", Lines, InvalidParameter, "reader"),
        ("reader=", Follow, InvalidParameter, "reader"),
        ("reader=a%0Ab", Follow, InvalidParameter, "reader"),
        (&format!("reader={}", "r".repeat(65)), Follow, InvalidParameter, "reader"),
        ("from=%zz", Json, InvalidParameter, "from"),
        ("from=%ff", Json, InvalidParameter, "from"),
        ("%zz=1", Json, InvalidParameter, "%zz"),
    ] {
        let problem = Read::of_stream(Some(query), form).expect_err(query);
        let json: serde_json::Value = serde_json::from_slice(&problem.to_bytes()).unwrap();
        assert_eq!((problem.code, json["parameter"].as_str()), (code, Some(name)), "{query}");
    }
    for query in ["type=", "from=1", "direction=forward", "after=end", "keep_alive=4s"] {
        assert!(Read::of_store(Some(query), Json).is_err(), "{query}");
    }
    let types = |count: usize| "&type=t".repeat(count);
    assert!(Read::of_stream(Some(&types(100)), Json).is_ok());
    assert!(Read::of_stream(Some(&types(101)), Json).is_err());
    let wait = |query: &str| GetTask::parse(Some(query)).map(|get| get.wait.as_millis());
    assert_eq!((wait("wait=20s").unwrap(), wait("").unwrap()), (20_000, 0));
    for query in ["wait=61s", "wait=1", "wait=", "wait=1s&wait=1s", "x=1"] {
        assert!(wait(query).is_err(), "{query}");
    }
    assert!(none(Some("x=1")).is_err() && none(Some("")).is_ok() && none(None).is_ok());
    assert!(ListStreams::parse(Some("limit=1001")).is_err());
}

/// The other direction holds by construction: a parameter that the contract does not list is refused.
#[test]
fn every_parameter_of_the_contract_can_be_used() {
    let example = |name: &str| match name {
        "from" | "limit" | "chunk" => "7",
        "after" => CURSOR,
        "direction" => "forward",
        "as_of" | "as_of_event_time" => "2010-10-02T07:20:39Z",
        "keep_alive" | "wait" => "3s",
        "state" => "dead",
        "cursor" => CURSOR,
        _ => "a",
    };
    for operation in Operation::ALL {
        for name in operation.query_parameters() {
            let query = format!("{name}={}", example(name));
            let form =
                if matches!(name, "keep_alive" | "reader") { ReadForm::Follow } else { ReadForm::Json };
            let read = match operation {
                Operation::ReadStream => Read::of_stream(Some(&query), form).map(drop),
                Operation::ReadStore => Read::of_store(Some(&query), form).map(drop),
                Operation::ListStreams => ListStreams::parse(Some(&query)).map(drop),
                Operation::GetTask => GetTask::parse(Some(&query)).map(drop),
                Operation::GetGroup => GetGroup::parse(Some(&query)).map(drop),
                Operation::ListTasks => ListTasks::parse(Some(&query)).map(drop),
                Operation::ListQueues => ListQueues::parse(Some(&query)).map(drop),
                Operation::ListLeases => ListLeases::parse(Some(&query)).map(drop),
                Operation::ListValues => ListValues::parse(Some(&query)).map(drop),
                Operation::GetLease | Operation::GetValue | Operation::GetBreaker => {
                    watch(*operation, Some(&query), form).map(drop)
                }
                Operation::ListBreakers => ListBreakers::parse(Some(&query)).map(drop),
                Operation::ListLimits => ListLimits::parse(Some(&query)).map(drop),
                Operation::ListTenants => ListTenants::parse(Some(&query)).map(drop),
                Operation::ListTokens => ListTokens::parse(Some(&query.replace(CURSOR, "initial"))).map(drop),
                Operation::ReadBackupRows => backup_chunk(Some(&query)).map(drop),
                Operation::ReadBackupSegment => backup_byte(Some(&query)).map(drop),
                Operation::ArchiveLog => archive_entry(Some(&query)).map(drop),
                Operation::CopySubjectKeys => subject_key(Some(&query)).map(drop),
                Operation::ListSchedules => ListSchedules::parse(Some(&query)).map(drop),
                other => panic!("{other:?} has parameters that no test reads"),
            };
            assert_eq!(read, Ok(()), "{operation:?} {query}");
        }
    }
}
