//! The same work on Redis. For tasks, the commands that reliable queues on Redis use: `LPUSH`, `BLMOVE` into a list of
//! running tasks, and `LREM` from there. A batch is one `LPUSH`, and the others pipelined. For leases, `SET` with `NX`
//! and `PX`, and `DEL`.

use crate::cli::failure::{Failure, Result};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

/// A worker's connection.
pub(super) struct Connection {
    socket: TcpStream,
    out: Vec<u8>,
    input: Vec<u8>,
    /// How much of `input` was read.
    at: usize,
}

/// A reply, as far as the load needs it.
enum Reply {
    Nothing,
    Text(Vec<u8>),
    Other,
}

impl Connection {
    pub(super) fn open(address: SocketAddr) -> Result<Self> {
        let socket = TcpStream::connect(address)?;
        socket.set_nodelay(true)?;
        Ok(Self { socket, out: Vec::new(), input: Vec::new(), at: 0 })
    }

    /// Enqueues these tasks.
    pub(super) fn enqueue(&mut self, tasks: &[Vec<u8>]) -> Result<()> {
        let mut command: Vec<&[u8]> = vec![b"LPUSH", b"bench-tasks"];
        command.extend(tasks.iter().map(Vec::as_slice));
        self.command(&command);
        self.replies(1).map(drop)
    }

    /// Claims up to `tasks_max` tasks. For a single one, it waits for a second.
    pub(super) fn claim(&mut self, tasks_max: usize) -> Result<Vec<Vec<u8>>> {
        self.complete_and_claim(&[], tasks_max)
    }

    /// Removes tasks that are done, and claims others in the same round trip.
    pub(super) fn complete_and_claim(&mut self, done: &[Vec<u8>], tasks_max: usize) -> Result<Vec<Vec<u8>>> {
        self.remove(done);
        if tasks_max == 1 {
            self.command(&[b"BLMOVE", b"bench-tasks", b"bench-running", b"RIGHT", b"LEFT", b"1"]);
        } else {
            for _ in 0..tasks_max {
                self.command(&[b"LMOVE", b"bench-tasks", b"bench-running", b"RIGHT", b"LEFT"]);
            }
        }
        let claimed = self.replies(done.len() + tasks_max)?.into_iter().filter_map(|reply| match reply {
            Reply::Text(task) => Some(task),
            Reply::Nothing | Reply::Other => None,
        });
        Ok(claimed.collect())
    }

    /// Removes tasks that are done.
    pub(super) fn complete(&mut self, tasks: &[Vec<u8>]) -> Result<()> {
        self.remove(tasks);
        self.replies(tasks.len()).map(drop)
    }

    fn remove(&mut self, tasks: &[Vec<u8>]) {
        for task in tasks {
            self.command(&[b"LREM", b"bench-running", b"1", task]);
        }
    }

    /// Takes a lock, and says whether it was free.
    pub(super) fn lock(&mut self, name: &[u8], token: &[u8]) -> Result<bool> {
        self.command(&[b"SET", name, token, b"NX", b"PX", b"30000"]);
        Ok(matches!(self.replies(1)?[..], [Reply::Other]))
    }

    /// Gives a lock back, without a look at its token.
    pub(super) fn unlock(&mut self, name: &[u8]) -> Result<()> {
        self.command(&[b"DEL", name]);
        self.replies(1).map(drop)
    }

    fn command(&mut self, words: &[&[u8]]) {
        // Writing to a vector cannot fail.
        let _ = write!(self.out, "*{}\r\n", words.len());
        for word in words {
            let _ = write!(self.out, "${}\r\n", word.len());
            self.out.extend_from_slice(word);
            self.out.extend_from_slice(b"\r\n");
        }
    }

    /// Sends the commands and reads this many replies.
    fn replies(&mut self, count: usize) -> Result<Vec<Reply>> {
        self.socket.write_all(&self.out)?;
        self.out.clear();
        (self.at, _) = (0, self.input.clear());
        (0..count).map(|_| self.reply()).collect()
    }

    fn reply(&mut self) -> Result<Reply> {
        let line = self.line()?;
        let number = || std::str::from_utf8(&line[1..]).ok()?.parse::<i64>().ok();
        match line.first() {
            Some(b':' | b'+') => Ok(Reply::Other),
            Some(b'*' | b'$') if number() == Some(-1) => Ok(Reply::Nothing),
            Some(b'$') => {
                let len =
                    number().and_then(|len| usize::try_from(len).ok()).ok_or_else(|| unexpected(&line))?;
                let from = self.at;
                self.need(from + len + 2)?;
                self.at = from + len + 2;
                Ok(Reply::Text(self.input[from..from + len].to_vec()))
            }
            _ => Err(unexpected(&line)),
        }
    }

    fn line(&mut self) -> Result<Vec<u8>> {
        loop {
            if let Some(len) = memchr::memmem::find(&self.input[self.at..], b"\r\n") {
                let line = self.input[self.at..self.at + len].to_vec();
                self.at += len + 2;
                return Ok(line);
            }
            self.need(self.input.len() + 1)?;
        }
    }

    /// Reads until this many bytes are there.
    fn need(&mut self, bytes: usize) -> Result<()> {
        let mut part = [0; 16 << 10];
        while self.input.len() < bytes {
            match self.socket.read(&mut part)? {
                0 => return Err(Failure::local("Redis closed a connection in the middle of the run")),
                read => self.input.extend_from_slice(&part[..read]),
            }
        }
        Ok(())
    }
}

fn unexpected(line: &[u8]) -> Failure {
    Failure::local(format!("an unexpected reply of Redis: {}", String::from_utf8_lossy(line)))
}
