//! A closed loop: one thread, one poll, each connection with one request in flight. It uses as little CPU as
//! it can, because it shares the machine with the server it measures.

use super::latency::Latencies;
use super::payload::Payload;
use super::wire::{Received, Wire};
use crate::cli::failure::{Failure, Result};
use mio::event::Event;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// What to send.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    pub(super) connections: usize,
    pub(super) batch: u64,
    pub(super) streams: u64,
    pub(super) bytes: usize,
    pub(super) until: Until,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Until {
    /// A warm-up that is not measured, then the measured time.
    Time { warm_up: Duration, measured: Duration },
    /// This many events, all of them measured.
    Count(u64),
}

impl Until {
    fn warm_up(self) -> Duration {
        match self {
            Self::Time { warm_up, .. } => warm_up,
            Self::Count(_) => Duration::ZERO,
        }
    }
}

/// The measurements on the client's side.
#[derive(Debug)]
pub(super) struct Measured {
    pub(super) events: u64,
    pub(super) took: Duration,
    pub(super) latencies: Latencies,
    /// The number of refused requests, and the first refusal.
    pub(super) refused: u64,
    pub(super) first_refusal: Option<String>,
    /// Events in the slowest whole second.
    pub(super) slowest_second: Option<u64>,
}

struct Connection {
    socket: TcpStream,
    out: Vec<u8>,
    written: usize,
    input: Vec<u8>,
    read: usize,
    sent_at: Instant,
    /// Responses that the request in flight still waits for.
    responses_left: u64,
    requests: u64,
}

/// The loop's state.
struct Driver<'a> {
    load: Load,
    wire: Wire,
    payload: &'a mut Payload,
    measured: Measured,
    /// Events sent so far.
    sent: u64,
    /// When measuring began.
    counting_since: Option<Instant>,
    second_began: Instant,
    second_events: u64,
}

/// The most response bytes buffered per connection: responses are small, pipelined ones many.
const INPUT_BYTES: usize = 64 << 10;

/// Runs `load` against `address`; `on_begin` is called when measuring begins.
pub(super) fn run(
    address: SocketAddr,
    wire: Wire,
    load: Load,
    payload: &mut Payload,
    on_begin: &mut dyn FnMut(),
) -> Result<Measured> {
    let mut poll = Poll::new()?;
    let mut connections = connect(&poll, address, load.connections)?;
    let started = Instant::now();
    let mut driver = Driver {
        load,
        wire,
        payload,
        measured: Measured {
            events: 0,
            took: Duration::ZERO,
            latencies: Latencies::default(),
            refused: 0,
            first_refusal: None,
            slowest_second: None,
        },
        sent: 0,
        counting_since: None,
        second_began: started,
        second_events: 0,
    };
    if load.until.warm_up().is_zero() {
        driver.begin(started, on_begin);
    }
    for (index, connection) in connections.iter_mut().enumerate() {
        driver.send_next(index, connection)?;
    }
    let mut events = Events::with_capacity(1_024);
    loop {
        match poll.poll(&mut events, Some(Duration::from_millis(100))) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            other => other?,
        }
        let now = Instant::now();
        if driver.counting_since.is_none() && now - started >= load.until.warm_up() {
            driver.begin(now, on_begin);
        }
        if driver.is_over(now) {
            return Ok(driver.measured);
        }
        for event in &events {
            driver.advance(event, &mut connections)?;
        }
    }
}

fn connect(poll: &Poll, address: SocketAddr, count: usize) -> Result<Vec<Connection>> {
    (0..count)
        .map(|index| {
            let socket = std::net::TcpStream::connect(address).map_err(|error| {
                Failure::new(
                    crate::cli::failure::Class::Unreachable,
                    format!("cannot connect to {address}: {error}"),
                )
            })?;
            socket.set_nodelay(true)?;
            socket.set_nonblocking(true)?;
            let mut socket = TcpStream::from_std(socket);
            poll.registry().register(&mut socket, Token(index), Interest::READABLE | Interest::WRITABLE)?;
            Ok(Connection {
                socket,
                out: Vec::new(),
                written: 0,
                input: vec![0; INPUT_BYTES],
                read: 0,
                sent_at: Instant::now(),
                responses_left: 0,
                requests: 0,
            })
        })
        .collect()
}

impl Driver<'_> {
    fn begin(&mut self, now: Instant, on_begin: &mut dyn FnMut()) {
        on_begin();
        self.counting_since = Some(now);
        self.second_began = now;
        self.second_events = 0;
    }

    /// Whether the load is done; also counts events by second.
    fn is_over(&mut self, now: Instant) -> bool {
        let Some(since) = self.counting_since else { return false };
        if now - self.second_began >= Duration::from_secs(1) {
            let slowest = self.measured.slowest_second.unwrap_or(u64::MAX);
            self.measured.slowest_second = Some(slowest.min(self.second_events));
            self.second_began = now;
            self.second_events = 0;
        }
        self.measured.took = now - since;
        match self.load.until {
            Until::Time { measured, .. } => now - since >= measured,
            Until::Count(count) => self.measured.events >= count,
        }
    }

    fn advance(&mut self, event: &Event, connections: &mut [Connection]) -> Result {
        let index = event.token().0;
        let connection = &mut connections[index];
        connection.write()?;
        loop {
            match connection.socket.read(&mut connection.input[connection.read..]) {
                Ok(0) => {
                    return Err(Failure::local("the server closed a connection in the middle of the run"));
                }
                Ok(bytes) => {
                    connection.read += bytes;
                    self.take_responses(index, connection)?;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn take_responses(&mut self, index: usize, connection: &mut Connection) -> Result {
        let mut used = 0;
        while connection.responses_left > 0 {
            match self.wire.receive(&connection.input[used..connection.read]).map_err(Failure::local)? {
                Received::Partial => break,
                Received::Done { bytes } => used += bytes,
                Received::Refused { bytes } => {
                    self.measured.refused += 1;
                    self.measured.first_refusal.get_or_insert_with(|| {
                        String::from_utf8_lossy(&connection.input[used..used + bytes]).into_owned()
                    });
                    used += bytes;
                }
            }
            connection.responses_left -= 1;
        }
        connection.input.copy_within(used..connection.read, 0);
        connection.read -= used;
        if connection.read == connection.input.len() {
            let longer = connection.input.len() * 2;
            connection.input.resize(longer, 0);
        }
        if connection.responses_left == 0 {
            if self.counting_since.is_some() {
                self.measured.events += self.load.batch;
                self.second_events += self.load.batch;
                self.measured.latencies.record(connection.sent_at.elapsed());
            }
            self.send_next(index, connection)?;
        }
        Ok(())
    }

    fn send_next(&mut self, index: usize, connection: &mut Connection) -> Result {
        if matches!(self.load.until, Until::Count(count) if self.sent >= count) {
            return Ok(());
        }
        self.sent += self.load.batch;
        let place = index as u64 + connection.requests * self.load.connections as u64;
        connection.out.clear();
        connection.written = 0;
        connection.requests += 1;
        connection.responses_left = self.wire.request(
            &mut connection.out,
            place % self.load.streams,
            self.load.batch,
            self.load.bytes,
            self.payload,
        );
        connection.sent_at = Instant::now();
        connection.write()
    }
}

impl Connection {
    fn write(&mut self) -> Result {
        while self.written < self.out.len() {
            match self.socket.write(&self.out[self.written..]) {
                Ok(bytes) => self.written += bytes,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}
