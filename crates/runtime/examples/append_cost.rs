//! The cost of an append below HTTP. `append_cost DIRECTORY EVENTS CLIENTS` appends distinct 1 KiB events to
//! 1,000 streams through a node's handle. Each client waits for an outcome before it sends its next command.
//! Prints events per second and this process's CPU time for each event.

use model::{Append, Command, Expected, Filled, Fingerprint, IdHash, Identity, NewEvent, StreamName};
use std::borrow::Cow;
use std::error::Error;
use std::rc::Rc;
use std::time::Instant;

const STREAMS: u64 = 1_000;
const DATA_BYTES: usize = 1_024;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [directory, events, clients] = &arguments[..] else {
        return Err("usage: append_cost DIRECTORY EVENTS CLIENTS".into());
    };
    let (events, clients) = (events.parse::<u64>()?, clients.parse::<u64>()?);
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
        let (begun, cpu) = (Instant::now(), cpu_micros());
        let handle = Rc::new(handle);
        let tasks: Vec<_> = (0..clients)
            .map(|client| tokio::task::spawn_local(append_all(Rc::clone(&handle), client, clients, events)))
            .collect();
        for task in tasks {
            task.await?;
        }
        let seconds = begun.elapsed().as_secs_f64();
        let per_event = (cpu_micros() - cpu) / events as f64;
        println!("{:.0} events/s, {per_event:.2} us CPU an event", events as f64 / seconds);
        drop(stop);
        node.await??;
        Ok(())
    })
}

async fn append_all(handle: Rc<runtime::Handle>, client: u64, clients: u64, events: u64) {
    let mut number = client;
    while number < events {
        match handle.submit(append(number)) {
            Ok(pending) => {
                if let Err(error) = pending.await {
                    eprintln!("{error}");
                    return;
                }
                number += clients;
            }
            Err(_) => tokio::task::yield_now().await,
        }
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
        envelope: Cow::Owned(envelope),
    };
    let stream = match StreamName::new(format!("s-{}", number % STREAMS)) {
        Ok(stream) => stream,
        Err(error) => unreachable!("{error}"),
    };
    Command::Append(Append { keyed: None, stream, expected: Expected::Any, events: vec![event] })
}

/// User and system time of this process.
fn cpu_micros() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).unwrap_or_default();
    (ticks(11) + ticks(12)) * 1e4
}
