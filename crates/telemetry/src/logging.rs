//! Logs on standard error, one line for each event: JSON for machines, text for a terminal.

use crate::lines::{Form, Lines};
use std::io::IsTerminal as _;
use std::str::FromStr;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

/// The format of log lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// Text on a terminal, JSON anywhere else.
    #[default]
    Auto,
    Json,
    Text,
}

impl FromStr for LogFormat {
    type Err = LogError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "auto" => Ok(Self::Auto),
            "json" => Ok(Self::Json),
            "text" => Ok(Self::Text),
            _ => Err(LogError::Format(text.into())),
        }
    }
}

/// Why logging could not be set up.
#[derive(Debug, PartialEq, Eq)]
pub enum LogError {
    Format(String),
    /// Neither a level (`error`, `warn`, `info`, `debug`, `trace`, `off`) nor a list of `target=level`.
    Filter {
        filter: String,
        why: String,
    },
    /// Logging was already set up.
    Twice,
}

impl std::fmt::Display for LogError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Format(format) => write!(f, "log format `{format}` is not one of auto, json, text"),
            Self::Filter { filter, why } => {
                write!(f, "log level `{filter}` is neither a level nor a list of target=level: {why}")
            }
            Self::Twice => f.write_str("logging is set up already"),
        }
    }
}

impl std::error::Error for LogError {}

/// Sets up logging of everything that `filter` selects: a level, or a list such as `info,http_server=debug`.
///
/// # Errors
/// The filter is invalid, or logging is set up already.
pub fn init_logging(format: LogFormat, filter: &str) -> Result<(), LogError> {
    let targets = parse_filter(filter)?;
    let terminal = std::io::stderr().is_terminal();
    let colour = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let form = match format {
        LogFormat::Json => Form::Json,
        LogFormat::Auto if !terminal => Form::Json,
        LogFormat::Auto | LogFormat::Text if colour => Form::ColouredText,
        LogFormat::Auto | LogFormat::Text => Form::Text,
    };
    let lines = Lines::new(form, std::io::stderr).with_filter(targets);
    tracing_subscriber::registry().with(lines).try_init().map_err(|_| LogError::Twice)
}

fn parse_filter(filter: &str) -> Result<Targets, LogError> {
    // The parser reads a single word as a target with every level on, so a misspelt level would log everything.
    let unknown = filter
        .split(',')
        .map(str::trim)
        .find(|part| !part.contains('=') && (part.is_empty() || part.parse::<LevelFilter>().is_err()));
    let refuse = |why: String| LogError::Filter { filter: filter.into(), why };
    match unknown {
        Some(part) => Err(refuse(format!("`{part}` is not a level"))),
        None => filter.parse().map_err(|error| refuse(format!("{error}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_a_level_or_levels_by_target() {
        for (filter, valid) in [
            ("info", true),
            ("off", true),
            ("info,http_server=debug", true),
            ("warn, node=trace", true),
            ("loud", false),
            ("info,node", false),
            ("node=loud", false),
            ("", false),
        ] {
            assert_eq!(parse_filter(filter).is_ok(), valid, "{filter:?}");
        }
    }

    #[test]
    fn an_unknown_format_is_named() {
        assert_eq!("json".parse(), Ok(LogFormat::Json));
        let error = "xml".parse::<LogFormat>().unwrap_err();
        assert_eq!(error.to_string(), "log format `xml` is not one of auto, json, text");
    }
}
