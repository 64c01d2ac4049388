//! Measures reads: one reader reads the whole store as lines. It only counts them, so the figure is the
//! server's.

use super::process::Pid;
use super::report::{ReadRun, Report};
use super::server::{Server, Servers};
use super::wire::Wire;
use crate::cli::Global;
use crate::cli::failure::{Failure, Result};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Instant;

const BUFFER_BYTES: usize = 1 << 20;
const READ_STORE: &[u8] =
    b"GET /v1/events HTTP/1.0\r\nhost: localhost\r\naccept: application/x-ndjson\r\n\r\n";
/// Where the first digit of a response's status is.
const STATUS_AT: usize = 9;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    servers: Servers,
    /// Number of Redis streams to read, as for `bench append`
    #[arg(long, value_name = "COUNT", default_value_t = 1_000)]
    streams: u64,
    /// Number of rounds
    #[arg(long, value_name = "COUNT", default_value_t = 1)]
    rounds: u32,
}

pub(crate) fn run(global: &Global, args: &Args) -> Result {
    let servers = Server::all(global, &args.servers)?;
    let mut report = Report::new(global.output);
    for _ in 0..args.rounds {
        for server in &servers {
            report.read(measure(server, args.streams)?)?;
        }
    }
    report.end()
}

/// What was read: events and bytes.
#[derive(Default)]
struct Counted {
    events: u64,
    bytes: u64,
}

pub(super) fn measure(server: &Server, streams: u64) -> Result<ReadRun> {
    let mut socket = TcpStream::connect(server.address)?;
    let before = server.pid.and_then(Pid::cpu);
    let began = Instant::now();
    let counted = match server.wire {
        Wire::Mainstay => read_node(&mut socket)?,
        Wire::Redis => read_redis(&mut socket, streams)?,
    };
    let seconds = began.elapsed().as_secs_f64();
    let cpu = server.pid.and_then(Pid::cpu).zip(before).map(|(now, then)| now.since(then));
    let events = counted.events.max(1) as f64;
    Ok(ReadRun {
        server: server.name(),
        events: counted.events,
        bytes: counted.bytes,
        seconds,
        events_per_second: events / seconds.max(1e-9),
        server_cpu_us_per_event: cpu.map(|cpu| cpu.total_us() / events),
        pss_after_bytes: server.pid.and_then(Pid::pss_bytes),
    })
}

/// HTTP/1.0: the response ends with the connection and has no chunks, so every newline after the head ends an
/// event.
fn read_node(socket: &mut TcpStream) -> Result<Counted> {
    socket.write_all(READ_STORE)?;
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut head = Vec::new();
    let mut counted = Counted::default();
    loop {
        let bytes = socket.read(&mut buffer)?;
        if bytes == 0 {
            break;
        }
        let body = if counted.bytes > 0 {
            &buffer[..bytes]
        } else {
            head.extend_from_slice(&buffer[..bytes]);
            let Some(end) = memchr::memmem::find(&head, b"\r\n\r\n") else { continue };
            if head.get(STATUS_AT) != Some(&b'2') {
                return Err(Failure::local(String::from_utf8_lossy(&head).into_owned()));
            }
            &head[end + 4..]
        };
        counted.events += memchr::memchr_iter(b'\n', body).count() as u64;
        counted.bytes += body.len() as u64;
    }
    Ok(counted)
}

/// Reads the whole store again and again until `over`, and adds up the bytes. It looks at nothing but the status, so that it
/// takes little CPU from what is measured.
pub(super) fn read_until(address: SocketAddr, over: &AtomicBool, read_bytes: &AtomicU64) -> Result {
    let mut buffer = vec![0; BUFFER_BYTES];
    while !over.load(Relaxed) {
        let mut socket = TcpStream::connect(address)?;
        socket.write_all(READ_STORE)?;
        let mut head = Vec::new();
        while !over.load(Relaxed) {
            let bytes = socket.read(&mut buffer)?;
            if head.len() <= STATUS_AT {
                head.extend_from_slice(&buffer[..bytes]);
                if head.get(STATUS_AT).is_some_and(|digit| *digit != b'2') {
                    return Err(Failure::local(String::from_utf8_lossy(&head).into_owned()));
                }
            }
            if bytes == 0 {
                break;
            }
            read_bytes.fetch_add(bytes as u64, Relaxed);
        }
    }
    Ok(())
}

/// One `XRANGE` per stream. Entries are not parsed: each holds the name of its one field once, on a line of its
/// own, which an event's JSON cannot contain.
fn read_redis(socket: &mut TcpStream, streams: u64) -> Result<Counted> {
    const FIELD: &[u8] = b"\r\n$1\r\nd\r\n";
    const END: &[u8] = b"+PONG\r\n";
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut counted = Counted::default();
    for stream in 0..streams {
        let key = format!("ev:{stream}");
        let length = key.len();
        let command =
            format!("*4\r\n$6\r\nXRANGE\r\n${length}\r\n{key}\r\n$1\r\n-\r\n$1\r\n+\r\n*1\r\n$4\r\nPING\r\n");
        socket.write_all(command.as_bytes())?;
        // Bytes that may begin a match which the next read completes.
        let mut kept = 0;
        loop {
            let bytes = socket.read(&mut buffer[kept..])?;
            if bytes == 0 {
                return Err(Failure::local("Redis closed the connection"));
            }
            counted.bytes += bytes as u64;
            let whole = &buffer[..kept + bytes];
            counted.events += memchr::memmem::find_iter(whole, FIELD).count() as u64;
            if whole.ends_with(END) {
                break;
            }
            let from = whole.len() - whole.len().min(FIELD.len() - 1);
            kept = whole.len() - from;
            buffer.copy_within(from..from + kept, 0);
        }
    }
    Ok(counted)
}
