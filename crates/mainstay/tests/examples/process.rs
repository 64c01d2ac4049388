//! An example in a process of its own.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A running example; killed when dropped.
pub(crate) struct Example {
    child: Child,
    said: String,
}

impl Example {
    pub(crate) fn start(name: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        // Cargo builds a package's examples with its tests and puts them beside its binary.
        let file = Path::new(env!("CARGO_BIN_EXE_mainstay")).with_file_name("examples").join(name);
        let child = Command::new(&file)
            .args(arguments)
            .env("LISTEN", "127.0.0.1:0")
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn();
        let child = child.unwrap_or_else(|error| {
            panic!(
                "{} does not start ({error}); `cargo build -p mainstay --examples` builds it",
                file.display()
            )
        });
        Self { child, said: String::new() }
    }

    /// Waits for a line that begins so.
    pub(crate) async fn says(mut self, beginning: &'static str) -> Self {
        let mut lines = BufReader::new(self.child.stdout.take().unwrap()).lines();
        let find = move || lines.find_map(|line| line.unwrap().strip_prefix(beginning).map(str::to_owned));
        self.said = tokio::task::spawn_blocking(find).await.unwrap().expect(beginning);
        self
    }

    /// What followed the beginning.
    pub(crate) fn said(&self) -> &str {
        &self.said
    }

    /// kill -9.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
