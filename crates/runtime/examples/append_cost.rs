//! The cost of an append below HTTP. `append_cost DIRECTORY EVENTS CLIENTS [MAX_COUNT]` appends distinct 1 KiB
//! events to 1,000 streams through a node's handle. Each client waits for an outcome before it sends its next
//! command. With `MAX_COUNT`, each stream keeps only that many events. Prints events per second and this process's
//! CPU time for each event, ten times, so that a cost that grows shows.

use model::{
    Append, Command, Expected, Filled, Fingerprint, IdHash, Identity, KeyId, NewEvent, PutSettings, Settings,
    StreamName,
};
use std::borrow::Cow;
use std::error::Error;
use std::rc::Rc;
use std::time::Instant;

const STREAMS: u64 = 1_000;
const DATA_BYTES: usize = 1_024;
/// How often the figures are printed.
const PARTS: u64 = 10;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let ([directory, events, clients] | [directory, events, clients, _]) = &arguments[..] else {
        return Err("usage: append_cost DIRECTORY EVENTS CLIENTS [MAX_COUNT]".into());
    };
    let max_count = arguments.get(3).map(|count| count.parse::<u64>()).transpose()?;
    let (events, clients) = (events.parse::<u64>()?, clients.parse::<usize>()?);
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(2).build()?;
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        let metrics = telemetry::Metrics::new(telemetry::Build::of("bench"));
        let (handle, task) = runtime::start(&runtime::Options::new(directory), &metrics)?;
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let node = tokio::task::spawn_local(task.run(async {
            let _ = stopped.await;
        }));
        while handle.status().phase != runtime::Phase::Ready {
            tokio::task::yield_now().await;
        }
        if max_count.is_some() {
            for number in 0..STREAMS {
                let settings = Settings { max_count, ..Settings::default() };
                let put = PutSettings { stream: stream(number), settings };
                handle.submit(Command::PutSettings(put))?.await?;
            }
        }
        let handle = Rc::new(handle);
        for part in 0..PARTS {
            let numbers = (part * events / PARTS)..((part + 1) * events / PARTS);
            let (begun, cpu) = (Instant::now(), cpu_micros());
            let tasks: Vec<_> = (0..clients)
                .map(|client| {
                    let numbers = numbers.clone().skip(client).step_by(clients);
                    tokio::task::spawn_local(append_all(Rc::clone(&handle), numbers))
                })
                .collect();
            for task in tasks {
                task.await?;
            }
            let count = (numbers.end - numbers.start) as f64;
            let (seconds, cpu) = (begun.elapsed().as_secs_f64(), cpu_micros() - cpu);
            println!("{:.0} events/s, {:.2} us CPU an event", count / seconds, cpu / count);
        }
        drop(stop);
        node.await??;
        Ok(())
    })
}

async fn append_all(handle: Rc<runtime::Handle>, numbers: impl Iterator<Item = u64>) {
    for number in numbers {
        let pending = loop {
            match handle.submit(append(number)) {
                Ok(pending) => break pending,
                Err(_) => tokio::task::yield_now().await,
            }
        };
        if let Err(error) = pending.await {
            eprintln!("{error}");
            return;
        }
    }
}

fn stream(number: u64) -> StreamName<'static> {
    match StreamName::new(format!("s-{}", number % STREAMS)) {
        Ok(stream) => stream,
        Err(error) => unreachable!("{error}"),
    }
}

fn append(number: u64) -> Command<'static> {
    let hash = u128::from(number).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835);
    let mut envelope = format!("{{\"id\":\"{hash:032x}\",\"data\":\"").into_bytes();
    let mut state = hash as u64 | 1;
    while envelope.len() < DATA_BYTES + 48 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        envelope.extend_from_slice(format!("{state:016x}").as_bytes());
    }
    envelope.extend_from_slice(b"\"}");
    let event = NewEvent {
        identity: Identity::Client(IdHash(hash)),
        fingerprint: Fingerprint(hash),
        filled: Filled::default(),
        event_type: Cow::Borrowed("t.created"),
        key_id: KeyId::NONE,
        envelope: Cow::Owned(envelope),
    };
    let stream = stream(number);
    Command::Append(Append { keyed: None, stream, expected: Expected::Any, events: vec![event] })
}

/// User and system time of this process.
fn cpu_micros() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).unwrap_or_default();
    (ticks(11) + ticks(12)) * 1e4
}
