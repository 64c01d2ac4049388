//! Where a fuzzer begins: the golden files of the formats, and a valid text of each kind.

use fuzzing::{formats, requests};
use std::path::Path;

/// Seeds of one kind of row: some accept most bytes.
const SEEDS_MAX: usize = 8;

/// The seeds of a target.
pub(crate) fn of(target: &str) -> Vec<Vec<u8>> {
    let golden = golden();
    let all = || golden.iter().cloned();
    match target {
        "entry" => all().filter(|bytes| format::entry::decode(bytes).is_ok()).collect(),
        "outcome" => all().filter(|bytes| format::outcome::decode(bytes).is_ok()).collect(),
        "row" => of_table(&formats::ROWS, &golden),
        "small" => of_table(&formats::SMALL, &golden),
        "frame" => all().filter_map(|bytes| Some([&[0, 0], bytes.get(32..)?].concat())).collect(),
        "snapshot" => all().filter_map(|bytes| Some([&[1, 3], bytes.get(20..)?].concat())).collect(),
        "request" => named(&requests::BODIES.map(|(name, _)| name), &BODIES),
        "query" => named(&requests::TEXTS.map(|(name, _)| name), &TEXTS),
        "json" => BODIES.iter().map(|(_, text)| text.as_bytes().to_vec()).collect(),
        "cron" => CRON.iter().map(|text| [&[1, 0, 0, 0, 100], text.as_bytes()].concat()).collect(),
        _ => Vec::new(),
    }
}

/// The bytes of all golden files.
fn golden() -> Vec<Vec<u8>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../format/golden");
    let files = directory.read_dir().into_iter().flatten().flatten();
    let texts = files.filter_map(|file| std::fs::read_to_string(file.path()).ok());
    let hex = |line: &str| fuzzing::corpus::parse(line.split(' ').nth(1)?)?.pop();
    texts.flat_map(|text| text.lines().filter_map(hex).collect::<Vec<_>>()).collect()
}

/// The bytes that an entry of the table accepts, after its number.
fn of_table(table: &[(&str, formats::Read)], golden: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (number, (_, read)) in (0_u8..).zip(table) {
        let accepted = golden.iter().filter(|bytes| read(bytes)).take(SEEDS_MAX);
        seeds.extend(accepted.map(|bytes| [&[number], &bytes[..]].concat()));
    }
    seeds
}

/// The texts, each after the number of its name.
fn named(names: &[&str], texts: &[(&str, &str)]) -> Vec<Vec<u8>> {
    let number =
        |name: &str| names.iter().position(|known| *known == name).and_then(|at| u8::try_from(at).ok());
    texts.iter().filter_map(|(name, text)| Some([&[number(name)?], text.as_bytes()].concat())).collect()
}

const BODIES: [(&str, &str); 30] = [
    (
        "event",
        r#"{"specversion":"1.0","id":"~0000000000000000abcd","source":"/s","type":"t","time":"2016-12-31T23:59:60Z","n":-7,"data":{"a":[1e5,"\ud83d\udc22"]}}"#,
    ),
    ("events", r#"[{"type":"t","data_base64":"AQ=="},{"type":"é","data":null}]"#),
    ("event-lines", "{\"type\":\"t\",\"id\":\"1\"}\n{\"type\":\"u\",\"data\":[true,false]}\n"),
    ("line", r#"{"stream":"a","type":"t","expected":4,"subject":"s","dataschema":"https://e.org"}"#),
    ("settings", r#"{"max_age":"30d","max_count":5,"truncate_before":7}"#),
    (
        "transaction",
        r#"{"checks":[{"stream":"a","expected":41},{"lease":"a","token":"00000000000000070001"},{"value":"b","expected":3},{"idempotency":"k","token":"00000000000000070001"}],"writes":[{"append":{"stream":"b","expected":"none","events":[{"type":"t"}]}},{"enqueue":{"queue":"q","tasks":[{"type":"t"}]}},{"complete":{"queue":"q","id":"1","token":"00000000000000070001","result":1}},{"fail":{"queue":"q","id":"1","token":"00000000000000070001","class":"c"}},{"idempotency":{"key":"k","token":"00000000000000070001","response":{"status":200,"body_base64":"AQ=="}}}]}"#,
    ),
    ("acquire", r#"{"holder":"h","ttl_ms":30000,"wait_ms":60000,"permits":3,"hold_off_ms":5000}"#),
    ("renew", r#"{"token":"00000000000000070001","ttl_ms":30000}"#),
    ("release", r#"{"token":"00000000000000070001"}"#),
    ("begin", r#"{"fingerprint":"f","owner":"o","ttl":"30s","wait":"5s"}"#),
    (
        "complete-execution",
        r#"{"token":"00000000000000070001","response":{"status":201,"headers":{"a":"b","c":["d","e"]},"body":{"n":[1]}},"keep":"24h"}"#,
    ),
    ("abandon", r#"{"token":"00000000000000070001"}"#),
    (
        "task",
        r#"{"id":"1","type":"t","payload":{"a":[1]},"delay":"5s","priority":7,"key":"k","fair":"f","retry":{"attempts":3,"never":["E"]},"tags":["a"],"unique":{"key":"u","mode":"replace"},"deadline":"2099-01-01T00:00:00Z"}"#,
    ),
    (
        "task-lines",
        "{\"type\":\"t\",\"payload_base64\":\"AQ==\"}\n{\"type\":\"u\",\"run_after\":\"2099-01-01T00:00:00Z\"}",
    ),
    (
        "claim",
        r#"{"worker":"w","types":["t"],"max":20,"request_id":"1","settle":[{"id":"1","token":"00000000000000070001","action":"complete"}]}"#,
    ),
    (
        "queue",
        r#"{"retry":{"first":"1s"},"claim_timeout":"1m","backlog_max":5,"paused":true,"limits":[{"limit":"l","key":"payload.a.b","types":["t"],"cost":2}],"breaker":{"breaker":"b","key":"tag.x"},"events":"s"}"#,
    ),
    ("heartbeat", r#"{"token":"00000000000000070001","progress":{"page":3}}"#),
    ("complete", r#"{"token":"00000000000000070001","result":{"a":1}}"#),
    (
        "fail",
        r#"{"token":"00000000000000070001","class":"E","message":"m","traceback":"a\nb","retryable":false,"throttle":{"limit":"l","key":"k","for":"1m"}}"#,
    ),
    ("defer", r#"{"token":"00000000000000070001","delay":"1m"}"#),
    ("settlements", r#"{"id":"1","token":"00000000000000070001","action":"fail","class":"E","delay":"1m"}"#),
    ("replay-many", r#"{"class":"E","type":"t","to":"q","after":"00000000000000070007","limit":7}"#),
    (
        "group",
        r#"{"id":"g","members":[{"queue":"q","type":"t"},{"group":{"members":[{"queue":"q","type":"u"}],"then":{"queue":"q","type":"v"}}}],"on_dead":{"queue":"q","type":"w"}}"#,
    ),
    ("tenant", r#"{"weight":3}"#),
    ("limit", r#"{"concurrency":2,"rate":{"max":10,"per":"1s","burst":5}}"#),
    (
        "breaker",
        r#"{"window":{"time":"30s"},"calls_min":5,"failure_percent":10,"consecutive_failures":3,"open_for":"5s","ignore":["E"]}"#,
    ),
    (
        "record",
        r#"{"records":[{"token":"9088a4e90000000000000000420a5c358cbb8669","outcome":"failed","class":"E"}]}"#,
    ),
    (
        "schedule",
        r#"{"cron":"30 2 * * MON-FRI","zone":"Europe/Berlin","queue":"q","task":{"type":"t"},"exclude":["2026-12-25"],"jitter":"1m","catch_up":"all","overlap":"buffer_one"}"#,
    ),
    (
        "reaction",
        r#"{"queue":"q","task_type":"t","prefix":"order-","types":["a"],"from":"beginning","key_from":"stream","payload":"reference"}"#,
    ),
    ("token", r#"{"role":"write","prefixes":["orders-"],"name":"n","expires_after":"90d"}"#),
];

const TEXTS: [(&str, &str); 12] = [
    ("stream", "from=7&direction=backward&limit=10&as_of=2026-01-02T03:04:05Z&type=a"),
    ("store", "after=00000000000000070001&prefix=a%2Fb&type=t&keep_alive=5s&reader=r"),
    ("streams", "prefix=a&cursor=00ff&limit=3"),
    ("tasks", "state=ready&limit=3"),
    ("get-task", "wait=20s"),
    ("backup-chunk", "chunk=7"),
    ("backup-byte", "from=1048576"),
    ("path", "a%20b%2Fc%C3%A9"),
    ("time", "2016-12-31T23:59:60.123+01:00"),
    ("duration", "90d"),
    ("cursor", "01a22789609c0000d421"),
    (
        "headers",
        "content-type: image/png\nce-type: t\nce-id: 1\nce-time: 2026-01-02T03:04:05Z\nidempotency-key: k\nif-match: \"7\"\ntraceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    ),
];

const CRON: [&str; 10] = [
    "30 2 * * *",
    "*/15 * * * *",
    "0 0 29 2 *",
    "0 9 * * MON#2",
    "0 12 L * *",
    "0 12 15W * *",
    "@monthly",
    "10,50 2 * * *",
    "*/7 30 2 1-5 * MON-FRI",
    "0 9 * * 5L\n2026-12-24T12:00:00Z/2026-12-27T00:00:00Z",
];
