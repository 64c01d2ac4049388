//! `mainstay read`: events of one stream or of the whole store, as of any moment.

use super::Global;
use super::failure::Result;
use super::output::{EventWriter, Streams, stdout};
use mainstay_client::{Client, Cursor, Direction, Read, Revision};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) which: Which,
    /// Show at most so many events
    #[arg(long, value_name = "COUNT")]
    limit: Option<u64>,
    /// The newest first
    #[arg(long, requires = "stream")]
    backward: bool,
    /// Only what had been recorded by then: a time in RFC 3339 (2010-10-03T00:00:00Z) or a cursor
    #[arg(long, value_name = "MOMENT")]
    as_of: Option<String>,
    /// Only what had happened by then, by the events' own times, in RFC 3339
    #[arg(long, value_name = "TIME")]
    as_of_event_time: Option<String>,
}

/// Which events, for `read`, `follow` and `export` alike.
#[derive(Debug, clap::Args)]
pub(crate) struct Which {
    /// The stream [default: the whole store]
    pub(crate) stream: Option<String>,
    /// Begin at this revision of the stream
    #[arg(long, value_name = "REVISION", requires = "stream")]
    from: Option<u64>,
    /// Begin behind this cursor of the store
    #[arg(long, value_name = "CURSOR", conflicts_with = "from")]
    after: Option<String>,
    /// Of the whole store, only streams whose names begin so
    #[arg(long, value_name = "TEXT", conflicts_with = "stream")]
    prefix: Option<String>,
    /// Only events of this type; may be repeated
    #[arg(long = "type", value_name = "TYPE", conflicts_with = "stream")]
    types: Vec<String>,
}

impl Which {
    pub(crate) fn read(&self, client: &Client) -> Read {
        let mut read = match &self.stream {
            Some(stream) => client.read(stream),
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
    let mut events = read.events()?;
    let mut writer = EventWriter::new(stdout(), global.output, args.which.streams());
    while let Some(line) = events.next_line()? {
        writer.event(&line)?;
    }
    writer.end()
}
