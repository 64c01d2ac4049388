//! A hash over everything that happens, step by step. Two runs of a seed are the same run if and only if
//! their hashes are equal.

use std::fmt::{self, Write};
use xxhash_rust::xxh3::Xxh3Default;

/// The run so far.
pub struct Trace {
    hash: Xxh3Default,
    steps: u64,
    echo: Echo,
}

/// Whether each step is also printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Echo {
    Off,
    On,
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trace").field("steps", &self.steps).finish_non_exhaustive()
    }
}

impl Trace {
    #[must_use]
    pub fn new(echo: Echo) -> Self {
        Self { hash: Xxh3Default::new(), steps: 0, echo }
    }

    pub fn step(&mut self, step: fmt::Arguments<'_>) {
        self.steps += 1;
        // Writing into a hash cannot fail.
        let _ = Hashed(&mut self.hash).write_fmt(step);
        self.hash.update(b"\n");
        if self.echo == Echo::On {
            println!("{:>6} {step}", self.steps);
        }
    }

    pub fn bytes(&mut self, bytes: &[u8]) {
        self.hash.update(bytes);
    }

    #[must_use]
    pub fn hash(&self) -> u64 {
        self.hash.digest()
    }

    #[must_use]
    pub fn steps(&self) -> u64 {
        self.steps
    }
}

struct Hashed<'a>(&'a mut Xxh3Default);

impl Write for Hashed<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.update(text.as_bytes());
        Ok(())
    }
}
