//! Query parameters of each route. Unknown and doubled ones are refused by name: a misspelt filter must not
//! widen an answer in silence.

use crate::catalogue::Code;
use crate::media::ReadForm;
use crate::problem::{Problem, Result};
use crate::time::Moment;
use crate::uri;
use model::{Cursor, Revision, Wall, limits};
use std::borrow::Cow;

/// What a read may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AsOf {
    /// Everything recorded up to the end of this moment's millisecond.
    Time(Moment),
    /// Everything up to this cursor.
    Cursor(Cursor),
}

/// The order of a stream's events in an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    #[default]
    Forward,
    Backward,
}

/// Where a read of one stream starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StreamStart {
    /// At the first event, or at the last when reading backward.
    #[default]
    Whole,
    /// At this revision.
    From(Revision),
    /// Behind this cursor.
    After(Cursor),
    /// With what comes from now on.
    End,
}

/// `GET /v1/streams/{stream}/events`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadStream {
    pub start: StreamStart,
    pub direction: Direction,
    pub limit: Option<u64>,
    pub as_of: Option<AsOf>,
    pub as_of_event_time: Option<Moment>,
}

/// Where a read of the whole store starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StoreStart {
    #[default]
    Whole,
    After(Cursor),
    End,
}

/// `GET /v1/events`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadStore {
    pub start: StoreStart,
    pub limit: Option<u64>,
    /// Only streams whose names begin like this.
    pub prefix: Option<String>,
    /// Only events of these types; all when empty.
    pub types: Vec<String>,
    pub as_of: Option<AsOf>,
    pub as_of_event_time: Option<Moment>,
}

/// `GET /v1/streams`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListStreams {
    pub prefix: Option<String>,
    /// As the last page gave it.
    pub cursor: Option<String>,
    pub limit: Option<u64>,
}

impl ReadStream {
    /// # Errors
    /// When a parameter is not known or cannot be used in this form.
    pub fn parse(query: Option<&str>, form: ReadForm) -> Result<Self> {
        let mut read = Self::default();
        let mut parameters = Parameters::new(query);
        let (mut from, mut after) = (None, None);
        while let Some(parameter) = parameters.next()? {
            match &*parameter.name {
                "from" if parameter.value == "end" => from = Some(StreamStart::End),
                "from" => from = Some(StreamStart::From(Revision(parameter.number("a revision, or `end`")?))),
                "after" => after = Some(StreamStart::After(parameter.cursor()?)),
                "direction" => read.direction = parameter.direction()?,
                "limit" => read.limit = Some(parameter.limit(form)?),
                "as_of" => read.as_of = Some(parameter.as_of()?),
                "as_of_event_time" => read.as_of_event_time = Some(parameter.moment()?),
                _ => return Err(parameter.unknown("from, after, direction, limit, as_of, as_of_event_time")),
            }
        }
        read.start = match (from, after) {
            (Some(_), Some(_)) => return Err(invalid("after", "`from` and `after` both say where to start")),
            (from, after) => from.or(after).unwrap_or_default(),
        };
        if read.direction == Direction::Backward
            && matches!(read.start, StreamStart::After(_) | StreamStart::End)
        {
            return Err(invalid("direction", "backward goes with `from=REVISION` or no start at all"));
        }
        if form == ReadForm::Follow {
            refuse_follow("direction", read.direction == Direction::Backward)?;
            refuse_follow("limit", read.limit.is_some())?;
            refuse_follow("as_of", read.as_of.is_some())?;
            refuse_follow("as_of_event_time", read.as_of_event_time.is_some())?;
        } else if read.start == StreamStart::End {
            return Err(invalid("from", "`end` goes with `Accept: text/event-stream`"));
        }
        Ok(read)
    }
}

impl ReadStore {
    /// # Errors
    /// When a parameter is not known or cannot be used in this form.
    pub fn parse(query: Option<&str>, form: ReadForm) -> Result<Self> {
        let mut read = Self::default();
        let mut parameters = Parameters::new(query);
        while let Some(parameter) = parameters.next()? {
            match &*parameter.name {
                "after" if parameter.value == "end" => read.start = StoreStart::End,
                "after" => read.start = StoreStart::After(parameter.cursor()?),
                "prefix" => read.prefix = Some(parameter.prefix()?),
                "type" => read.types.push(parameter.text()?),
                "limit" => read.limit = Some(parameter.limit(form)?),
                "as_of" => read.as_of = Some(parameter.as_of()?),
                "as_of_event_time" => read.as_of_event_time = Some(parameter.moment()?),
                _ => return Err(parameter.unknown("after, prefix, type, limit, as_of, as_of_event_time")),
            }
        }
        if read.types.len() > TYPES_MAX {
            return Err(invalid("type", "at most 100 types can be asked for"));
        }
        if form == ReadForm::Follow {
            refuse_follow("limit", read.limit.is_some())?;
            refuse_follow("as_of", read.as_of.is_some())?;
            refuse_follow("as_of_event_time", read.as_of_event_time.is_some())?;
        } else if read.start == StoreStart::End {
            return Err(invalid("after", "`end` goes with `Accept: text/event-stream`"));
        }
        Ok(read)
    }
}

impl ListStreams {
    /// # Errors
    /// When a parameter is not known or cannot be used.
    pub fn parse(query: Option<&str>) -> Result<Self> {
        let mut list = Self::default();
        let mut parameters = Parameters::new(query);
        while let Some(parameter) = parameters.next()? {
            match &*parameter.name {
                "prefix" => list.prefix = Some(parameter.prefix()?),
                "cursor" => list.cursor = Some(parameter.text()?),
                "limit" => list.limit = Some(parameter.limit(ReadForm::Json)?),
                _ => return Err(parameter.unknown("prefix, cursor, limit")),
            }
        }
        Ok(list)
    }
}

/// For routes that take no parameters.
///
/// # Errors
/// When there is one.
pub fn none(query: Option<&str>) -> Result<()> {
    match Parameters::new(query).next()? {
        None => Ok(()),
        Some(parameter) => Err(parameter.unknown("no parameters")),
    }
}

const TYPES_MAX: usize = 100;

struct Parameters<'a> {
    rest: &'a str,
    seen: Vec<Cow<'a, str>>,
}

struct Parameter<'a> {
    name: Cow<'a, str>,
    value: Cow<'a, str>,
}

impl<'a> Parameters<'a> {
    fn new(query: Option<&'a str>) -> Self {
        Self { rest: query.unwrap_or_default(), seen: Vec::new() }
    }

    fn next(&mut self) -> Result<Option<Parameter<'a>>> {
        while !self.rest.is_empty() {
            let (pair, rest) = self.rest.split_once('&').unwrap_or((self.rest, ""));
            self.rest = rest;
            if pair.is_empty() {
                continue;
            }
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decode(name).map_err(|why| invalid(name, why))?;
            let value = decode(value).map_err(|why| invalid(&name, why))?;
            if name != "type" {
                if self.seen.contains(&name) {
                    let detail = format!("`{name}` is there twice");
                    return Err(Problem::new(Code::DuplicateParameter, detail).parameter(name));
                }
                self.seen.push(name.clone());
            }
            return Ok(Some(Parameter { name, value }));
        }
        Ok(None)
    }
}

/// As HTML forms encode: `+` is a space.
fn decode(text: &str) -> Result<Cow<'_, str>, &'static str> {
    if text.contains('+') {
        let spaced = text.replace('+', " ");
        let decoded = uri::decode(spaced.as_bytes()).map_err(uri::DecodeError::why)?;
        return Ok(Cow::Owned(decoded.into_owned()));
    }
    uri::decode(text.as_bytes()).map_err(uri::DecodeError::why)
}

impl Parameter<'_> {
    fn number(&self, what: &str) -> Result<u64> {
        let digits = !self.value.is_empty() && self.value.bytes().all(|b| b.is_ascii_digit());
        let number = digits.then(|| self.value.parse().ok()).flatten();
        number.ok_or_else(|| invalid(&self.name, &format!("`{}` is not {what}", self.value)))
    }

    /// Pages are bounded; lines are as many as are asked for.
    fn limit(&self, form: ReadForm) -> Result<u64> {
        let limit = self.number("a whole number")?;
        let max = if form == ReadForm::Json { limits::PAGE_EVENTS_MAX as u64 } else { u64::MAX };
        if limit == 0 || limit > max {
            return Err(invalid(&self.name, &format!("`limit` is from 1 to {max} here")).number("limit", max));
        }
        Ok(limit)
    }

    fn cursor(&self) -> Result<Cursor> {
        self.value.parse().map_err(|error| invalid(&self.name, &format!("{error}")))
    }

    fn direction(&self) -> Result<Direction> {
        match &*self.value {
            "forward" => Ok(Direction::Forward),
            "backward" => Ok(Direction::Backward),
            _ => Err(invalid(&self.name, "it is `forward` or `backward`")),
        }
    }

    fn as_of(&self) -> Result<AsOf> {
        match self.value.parse() {
            Ok(cursor) => Ok(AsOf::Cursor(cursor)),
            Err(_) => self.moment().map(AsOf::Time),
        }
    }

    /// A `+` of an offset that was not encoded has become a space, which no time has in that place.
    fn moment(&self) -> Result<Moment> {
        let text = self.value.replace(' ', "+");
        Moment::parse(&text).ok_or_else(|| {
            let why = format!(
                "`{}` is not an RFC 3339 time that exists, such as `2010-10-02T07:20:39Z`",
                self.value
            );
            invalid(&self.name, &why)
        })
    }

    fn prefix(&self) -> Result<String> {
        if self.value.len() > limits::NAME_BYTES_MAX {
            return Err(invalid(&self.name, "no name is that long"));
        }
        self.text()
    }

    fn text(&self) -> Result<String> {
        if self.value.is_empty() {
            return Err(invalid(&self.name, "it is empty; leave it out instead"));
        }
        Ok(self.value.clone().into_owned())
    }

    fn unknown(&self, known: &str) -> Box<Problem> {
        let detail = format!("`{}` is not a parameter of this route; it has {known}", self.name);
        Problem::new(Code::UnknownParameter, detail).parameter(self.name.clone())
    }
}

fn refuse_follow(name: &str, is_there: bool) -> Result<()> {
    if is_there {
        Err(invalid(name, "it does not go with following (`Accept: text/event-stream`)"))
    } else {
        Ok(())
    }
}

fn invalid(name: &str, why: &str) -> Box<Problem> {
    Problem::new(Code::InvalidParameter, format!("`{name}` cannot be used: {why}")).parameter(name)
}

/// A parameter whose value is refused elsewhere, such as a time in the future.
#[must_use]
pub fn refused(code: Code, name: &'static str, why: String) -> Box<Problem> {
    Problem::new(code, why).parameter(name)
}

impl AsOf {
    /// The last cursor that the read may see; `None` when it lies before the first possible event.
    #[must_use]
    pub fn until(self) -> Option<Cursor> {
        match self {
            Self::Cursor(cursor) => Some(cursor),
            Self::Time(moment) => moment.wall().map(Cursor::last_of),
        }
    }

    /// The millisecond that must be over for the answer to stay the same.
    #[must_use]
    pub fn wall(self) -> Option<Wall> {
        self.until().map(|cursor| cursor.position.wall())
    }
}

#[cfg(test)]
mod tests;
