//! `mainstay read`: the events of one stream or of the whole store, as of any moment.

use super::Global;
use super::failure::{Class, Failure, Result};
use super::output::{EventWriter, Streams, stdout};
use mainstay_client::blocking::{Client, Read};
use mainstay_client::{Cursor, Direction, Revision};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) which: Which,
    /// Show at most this many events
    #[arg(long, value_name = "COUNT")]
    limit: Option<u64>,
    /// Show the newest events first
    #[arg(long, requires = "stream")]
    backward: bool,
    /// Show what was recorded by this moment: a time in RFC 3339 (2010-10-03T00:00:00Z) or a cursor
    #[arg(long, value_name = "MOMENT")]
    as_of: Option<String>,
    /// Show what happened by this time, according to the events' own times, in RFC 3339
    #[arg(long, value_name = "TIME")]
    as_of_event_time: Option<String>,
}

/// Selects events, for `read`, `follow` and `export` alike.
#[derive(Debug, clap::Args)]
pub(crate) struct Which {
    /// The stream [default: the whole store]
    pub(crate) stream: Option<String>,
    /// Begin at this revision of the stream
    #[arg(long, value_name = "REVISION", requires = "stream")]
    from: Option<u64>,
    /// Begin after this cursor of the store
    #[arg(long, value_name = "CURSOR", conflicts_with = "from")]
    after: Option<String>,
    /// Only streams whose names begin with this text
    #[arg(long, value_name = "TEXT", conflicts_with = "stream")]
    prefix: Option<String>,
    /// Only events of this type; may be repeated
    #[arg(long = "type", value_name = "TYPE")]
    types: Vec<String>,
}

impl Which {
    pub(crate) fn read(&self, client: &Client) -> Read {
        let mut read = match &self.stream {
            Some(stream) => client.read(stream.as_str()),
            None => client.read_all(),
        };
        if let Some(revision) = self.from {
            read = read.from(Revision(revision));
        }
        if let Some(cursor) = &self.after {
            read = read.after(Cursor(cursor.clone()));
        }
        if let Some(prefix) = &self.prefix {
            read = read.prefix(prefix);
        }
        self.types.iter().fold(read, |read, event_type| read.event_type(event_type))
    }

    /// Fails if one stream was named and it does not exist: an empty result may be a misspelt name.
    pub(crate) fn must_exist(&self, client: &Client) -> Result {
        let Some(stream) = &self.stream else { return Ok(()) };
        if client.read(stream.as_str()).limit(1).direction(Direction::Backward).page()?.revision.is_some() {
            return Ok(());
        }
        Err(Failure::new(Class::Refused, format!("the stream `{stream}` does not exist"))
            .advice("`mainstay streams --prefix TEXT` lists the streams whose names begin with TEXT."))
    }

    pub(crate) fn streams(&self) -> Streams {
        if self.stream.is_some() { Streams::One } else { Streams::Many }
    }
}

pub(crate) fn run(global: &Global, args: Args) -> Result {
    let client = global.client()?;
    let mut read = args.which.read(&client);
    if let Some(limit) = args.limit {
        read = read.limit(limit);
    }
    if args.backward {
        read = read.direction(Direction::Backward);
    }
    if let Some(moment) = args.as_of {
        read = read.as_of(moment);
    }
    if let Some(time) = args.as_of_event_time {
        read = read.as_of_event_time(time);
    }
    let mut lines = read.lines().peekable();
    if lines.peek().is_none() {
        args.which.must_exist(&client)?;
    }
    let mut writer = EventWriter::new(stdout(), global.output, args.which.streams());
    lines.try_for_each(|line| writer.event(&line?))?;
    writer.end()
}
