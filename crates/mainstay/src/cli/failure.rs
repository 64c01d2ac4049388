//! Failures: an exit status by class for scripts, and a message for people.

use mainstay_client::Error;
use std::fmt;
use std::process::ExitCode;

/// Shown under `--help`; the numbers never change.
pub(crate) const EXIT_CODES: &str = "\
Exit status:
  0  success
  1  a local error, such as a file that cannot be read
  2  wrong usage or configuration
  3  the node refused the request (any other 4xx status), or the stream does not exist
  4  a conflict: usually a wrong expected revision (412) or an event id that is in use (409)
  5  the node cannot do it now (408, 429 or 5xx): a retry may succeed
  6  no connection, or no response: a write may or may not have happened, and is safe to retry
  7  `mainstay check` has found data that is not as it was written";

/// Why a command failed.
#[derive(Debug)]
pub(crate) struct Failure {
    class: Class,
    message: String,
    advice: Option<String>,
    /// The exit status of a command that we ran. It has said itself what is wrong.
    status: Option<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// The reader of our output has closed it (`| head`): nothing is wrong.
    ReaderLeft = 0,
    Local = 1,
    Usage = 2,
    Refused = 3,
    Conflict = 4,
    Unavailable = 5,
    Unreachable = 6,
    Damaged = 7,
}

pub(crate) type Result<T = (), E = Failure> = std::result::Result<T, E>;

impl Failure {
    pub(crate) fn new(class: Class, message: impl fmt::Display) -> Self {
        Self { class, message: message.to_string(), advice: None, status: None }
    }

    pub(crate) fn local(message: impl fmt::Display) -> Self {
        Self::new(Class::Local, message)
    }

    pub(crate) fn usage(message: impl fmt::Display) -> Self {
        Self::new(Class::Usage, message)
    }

    /// A command that we ran has failed with this exit status.
    pub(crate) fn of_command(status: u8) -> Self {
        Self { status: Some(status), ..Self::local("the command failed") }
    }

    pub(crate) fn advice(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }

    /// Prints the failure on standard error and returns the exit status.
    pub(crate) fn report(&self) -> ExitCode {
        if self.class == Class::ReaderLeft {
            return ExitCode::SUCCESS;
        }
        if let Some(status) = self.status {
            return ExitCode::from(status);
        }
        let red = anstyle::AnsiColor::Red.on_default().bold();
        anstream::eprintln!("{red}error:{red:#} {}", self.message);
        if let Some(advice) = &self.advice {
            anstream::eprintln!("  {advice}");
        }
        ExitCode::from(self.class as u8)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// The class of an HTTP status.
pub(crate) fn class_of(status: u16) -> Class {
    match status {
        409 | 412 => Class::Conflict,
        408 | 429 | 500.. => Class::Unavailable,
        _ => Class::Refused,
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let class = match &error {
            Error::Problem(problem) => class_of(problem.status),
            Error::Url { .. } | Error::Tls(_) => Class::Usage,
            Error::Connect { .. } | Error::Untrusted { .. } | Error::Broken(_) | Error::TimedOut(_) => {
                Class::Unreachable
            }
            _ => Class::Local,
        };
        let advice = match &error {
            Error::Problem(problem) if problem.status == 401 => Some(
                "MAINSTAY_TOKEN or --token-file gives the token; an administrator creates one with `mainstay token new`."
                    .into(),
            ),
            Error::Problem(problem) => problem.advice().map(str::to_owned),
            Error::Connect { .. } => Some(
                "Is a node running there? `mainstay serve` starts one; --url or MAINSTAY_URL selects another."
                    .into(),
            ),
            _ => None,
        };
        Self { class, message: error.to_string(), advice, status: None }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        let broken = error.kind() == std::io::ErrorKind::BrokenPipe;
        Self::new(if broken { Class::ReaderLeft } else { Class::Local }, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_fall_into_their_classes() {
        for (status, class) in [
            (400, Class::Refused),
            (404, Class::Refused),
            (408, Class::Unavailable),
            (409, Class::Conflict),
            (410, Class::Refused),
            (412, Class::Conflict),
            (413, Class::Refused),
            (429, Class::Unavailable),
            (500, Class::Unavailable),
            (503, Class::Unavailable),
        ] {
            assert_eq!(class_of(status), class, "{status}");
        }
    }
}
