//! kill -9 under load: every acknowledged event survives.

use crate::cli::failure::{Failure, Result};
use crate::tour::Chapter;
use crate::tour::stage::{Stage, Step, kept_if};
use mainstay_client::{Client, NewEvent, Retry};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

pub(crate) const CHAPTER: Chapter = Chapter {
    title: "kill -9 under load",
    about: "An acknowledged write is on disk before its response is sent, so the process may die at any moment.",
    run,
};

const WRITERS: u64 = 8;
const LOAD: Duration = Duration::from_millis(1_500);
/// A slow disk gets more time, up to this.
const LOAD_MAX: Duration = Duration::from_secs(6);
const ACKNOWLEDGED_WANTED: u64 = 200;

/// What one writer knows when the node is killed.
struct Writer {
    stream: String,
    acknowledged: u64,
}

fn event(stream: &str, number: u64) -> NewEvent {
    NewEvent::new("load.written").source("/tour").id(format!("{stream}-{number}"))
}

fn run(stage: &mut Stage) -> Result {
    stage.say(&format!(
        "\n{WRITERS} writers append one event after another, each waiting for the response ..."
    ))?;
    let acknowledged = Arc::new(AtomicU64::new(0));
    let writers: Vec<_> = (0..WRITERS)
        .map(|number| {
            let (url, acknowledged) = (stage.url().to_owned(), Arc::clone(&acknowledged));
            std::thread::spawn(move || write_until_it_breaks(&url, format!("load-{number}"), &acknowledged))
        })
        .collect();
    let began = Instant::now();
    while began.elapsed() < LOAD
        || (acknowledged.load(Ordering::Relaxed) < ACKNOWLEDGED_WANTED && began.elapsed() < LOAD_MAX)
    {
        std::thread::sleep(Duration::from_millis(20));
    }
    stage.command(&format!("kill -9 {}", stage.process()))?;
    stage.kill()?;
    let writers: Vec<Writer> = writers
        .into_iter()
        .map(|writer| writer.join().map_err(|_| Failure::local("a writer failed"))?)
        .collect::<Result<_>>()?;
    let before: u64 = writers.iter().map(|writer| writer.acknowledged).sum();
    stage.say(&format!("  {before} events were acknowledged; {WRITERS} requests got no response"))?;
    stage.command(&format!("mainstay serve --data {}", stage.data().display()))?;
    let took = stage.restart()?;
    stage.say(&format!("  ready after {:.0} ms, at {}", took.as_secs_f64() * 1e3, stage.url()))?;
    verify(stage, &writers)
}

fn write_until_it_breaks(url: &str, stream: String, acknowledged: &AtomicU64) -> Result<Writer> {
    let client = Client::builder(url).retry(Retry::never()).build_blocking()?;
    let mut number = 0;
    while client.append(stream.as_str(), [event(&stream, number)]).send().is_ok() {
        number += 1;
        acknowledged.fetch_add(1, Ordering::Relaxed);
    }
    Ok(Writer { stream, acknowledged: number })
}

fn verify(stage: &mut Stage, writers: &[Writer]) -> Result {
    let before: u64 = writers.iter().map(|writer| writer.acknowledged).sum();
    let mut found = 0;
    let mut in_order = true;
    for writer in writers {
        let mut number = 0;
        for read in stage.client().read(writer.stream.as_str()).events() {
            in_order &= read?.id == format!("{}-{number}", writer.stream);
            number += 1;
        }
        // One more than acknowledged may exist: its response was lost, not its effect.
        in_order &= number == writer.acknowledged || number == writer.acknowledged + 1;
        found += number;
    }
    stage.say(&format!(
        "\n  acknowledged before kill -9: {before}; found after it: {found}{}",
        if found > before { " (the others were written, but their responses were lost)" } else { "" }
    ))?;
    stage
        .check("every acknowledged event exists, once and in order", kept_if(in_order && found >= before))?;
    let mut replayed = 0;
    for writer in writers {
        let last = event(&writer.stream, writer.acknowledged);
        let appended = stage.client().append(writer.stream.as_str(), [last]).send()?;
        replayed += u64::from(appended.all_replayed());
    }
    stage.say(&format!(
        "\nThe {WRITERS} writers repeat the requests that got no response: {replayed} events existed already, {} are appended now.",
        WRITERS - replayed
    ))?;
    stage.check("no event exists twice", kept_if(replayed == found - before))?;
    let response = stage.step(
        "The last event of one writer:",
        &Step::get(&format!("/v1/streams/{}/events?direction=backward&limit=1", writers[0].stream)),
        200,
    )?;
    let want = format!("{}-{}", writers[0].stream, writers[0].acknowledged);
    stage.check(
        "the event whose response was lost",
        kept_if(crate::tour::stage::json(&response)["events"][0]["id"] == want.as_str()),
    )
}
