//! The query parameters of each route. A parameter that is unknown or given twice is refused by name: ignoring
//! a misspelt filter would silently widen the response.

mod parameters;

pub use parameters::parse_keep_alive;

use crate::catalogue::Code;
use crate::contract::Operation;
use crate::media::ReadForm;
use crate::problem::{Problem, Result};
use crate::time::Moment;
use model::{
    BreakerName, Cursor, Index, KeyId, LeaseName, LimitName, Order, QueueName, Revision, ScheduleName,
    TaskState, TenantName, ValueName, limits,
};
use parameters::{Parameter, Parameters, invalid};
use std::time::Duration;

/// The moment that a read shows: it ignores everything recorded later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AsOf {
    /// The moment at which the node takes the request.
    Now,
    /// Everything recorded up to the end of this moment's millisecond.
    Time(Moment),
    /// Everything up to this cursor.
    Cursor(Cursor),
}

/// Where a read starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// At the first event, or at the last one when reading backward.
    #[default]
    Beginning,
    /// At this revision. Only for one stream.
    From(Revision),
    /// After this cursor.
    After(Cursor),
    /// With the first event that is appended from now on. Only for following.
    End,
}

/// `GET /v1/streams/{stream}/events` or `GET /v1/events`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Read {
    pub start: Start,
    /// Whether the oldest event comes first. The whole store is only read in ascending order.
    pub order: Order,
    pub limit: Option<u64>,
    /// Only streams whose names begin with this. Only for the whole store.
    pub prefix: Option<String>,
    /// Only events of these types; all when empty.
    pub types: Vec<String>,
    pub as_of: Option<AsOf>,
    pub as_of_event_time: Option<Moment>,
    /// How long a subscription may stay silent. Only for following.
    pub keep_alive: Option<Duration>,
    /// The name under which the subscription's progress is shown. Only for following.
    pub reader: Option<String>,
}

/// Reads the parameters of a route that can be watched: how long the response may stay silent.
///
/// # Errors
/// When a parameter is unknown, or is for watching and the request does not watch.
pub fn watch(operation: Operation, query: Option<&str>, form: ReadForm) -> Result<Option<Duration>> {
    let mut parameters = Parameters::of(operation, query);
    let mut keep_alive = None;
    while let Some(parameter) = parameters.next()? {
        match &*parameter.name {
            "keep_alive" if form == ReadForm::Follow => keep_alive = Some(parameter.keep_alive()?),
            "keep_alive" => {
                return Err(invalid(
                    "keep_alive",
                    "it is for watching: it needs `Accept: text/event-stream`",
                ));
            }
            _ => return Err(parameter.unknown()),
        }
    }
    Ok(keep_alive)
}

impl Read {
    /// Reads the parameters of `GET /v1/streams/{stream}/events`.
    ///
    /// # Errors
    /// When a parameter is unknown or cannot be used in this form.
    pub fn of_stream(query: Option<&str>, form: ReadForm) -> Result<Self> {
        let mut read = Self::default();
        let mut parameters = Parameters::of(Operation::ReadStream, query);
        let (mut from, mut after) = (None, None);
        while let Some(parameter) = parameters.next()? {
            match &*parameter.name {
                "from" => from = Some(parameter.from()?),
                "after" => after = Some(parameter.after()?),
                "direction" => read.order = parameter.direction()?,
                _ => read.take_shared(&parameter, form)?,
            }
        }
        read.start = match (from, after) {
            (Some(_), Some(_)) => return Err(invalid("after", "use only one of `from` and `after`")),
            (from, after) => from.or(after).unwrap_or_default(),
        };
        let backward = read.order == Order::Descending;
        if form == ReadForm::Follow {
            refuse_follow("direction", backward)?;
        }
        if backward && matches!(read.start, Start::After(_) | Start::End) {
            return Err(invalid(
                "direction",
                "`backward` can be combined only with `from=REVISION`, or with no start",
            ));
        }
        read.check("from", form)
    }

    /// Reads the parameters of `GET /v1/events`.
    ///
    /// # Errors
    /// When a parameter is unknown or cannot be used in this form.
    pub fn of_store(query: Option<&str>, form: ReadForm) -> Result<Self> {
        let mut read = Self::default();
        let mut parameters = Parameters::of(Operation::ReadStore, query);
        while let Some(parameter) = parameters.next()? {
            match &*parameter.name {
                "after" => read.start = parameter.after_or_end()?,
                "prefix" => read.prefix = Some(parameter.prefix()?),
                _ => read.take_shared(&parameter, form)?,
            }
        }
        read.check("after", form)
    }

    /// The parameters that both routes have.
    fn take_shared(&mut self, parameter: &Parameter<'_>, form: ReadForm) -> Result<()> {
        match &*parameter.name {
            "type" => self.types.push(parameter.text()?),
            "limit" => self.limit = Some(parameter.limit(form)?),
            "as_of" => self.as_of = Some(parameter.as_of()?),
            "as_of_event_time" => self.as_of_event_time = Some(parameter.moment()?),
            "keep_alive" => self.keep_alive = Some(parameter.keep_alive()?),
            "reader" => self.reader = Some(parameter.reader()?),
            _ => return Err(parameter.unknown()),
        }
        Ok(())
    }

    /// `start` is the parameter that takes `end`.
    fn check(self, start: &str, form: ReadForm) -> Result<Self> {
        if self.types.len() > limits::READ_TYPES_MAX {
            return Err(invalid("type", &format!("at most {} types can be given", limits::READ_TYPES_MAX)));
        }
        if form == ReadForm::Follow {
            refuse_follow("limit", self.limit.is_some())?;
            refuse_follow("as_of", self.as_of.is_some())?;
            refuse_follow("as_of_event_time", self.as_of_event_time.is_some())?;
        } else {
            const ONLY_FOLLOW: &str = "it needs `Accept: text/event-stream`";
            if self.start == Start::End {
                return Err(invalid(start, &format!("`end` is for following: {ONLY_FOLLOW}")));
            }
            for (name, is_there) in
                [("keep_alive", self.keep_alive.is_some()), ("reader", self.reader.is_some())]
            {
                if is_there {
                    return Err(invalid(name, &format!("it is for following: {ONLY_FOLLOW}")));
                }
            }
        }
        Ok(self)
    }
}

fn refuse_follow(name: &str, is_there: bool) -> Result<()> {
    if is_there {
        Err(invalid(name, "a subscription (`Accept: text/event-stream`) does not take it"))
    } else {
        Ok(())
    }
}

/// `GET /v1/streams`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListStreams {
    pub prefix: Option<String>,
    /// As the last page gave it.
    pub cursor: Option<String>,
    pub limit: Option<u64>,
}

impl ListStreams {
    /// # Errors
    /// When a parameter is unknown or cannot be used.
    pub fn parse(query: Option<&str>) -> Result<Self> {
        let mut list = Self::default();
        let mut parameters = Parameters::of(Operation::ListStreams, query);
        while let Some(parameter) = parameters.next()? {
            match &*parameter.name {
                "prefix" => list.prefix = Some(parameter.prefix()?),
                "cursor" => list.cursor = Some(parameter.text()?),
                "limit" => list.limit = Some(parameter.limit(ReadForm::Json)?),
                _ => return Err(parameter.unknown()),
            }
        }
        Ok(list)
    }
}

/// `GET /v1/queues/{queue}/tasks/{id}`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GetTask {
    /// How long to wait for the end of the task.
    pub wait: Duration,
}

impl GetTask {
    /// # Errors
    /// When a parameter is unknown or cannot be used.
    pub fn parse(query: Option<&str>) -> Result<Self> {
        let mut get = Self::default();
        let mut parameters = Parameters::of(Operation::GetTask, query);
        while let Some(parameter) = parameters.next()? {
            match &*parameter.name {
                "wait" => get.wait = Duration::from_millis(parameter.wait_ms(limits::TASK_WAIT_MS_MAX)?),
                _ => return Err(parameter.unknown()),
            }
        }
        Ok(get)
    }
}

/// `GET /v1/groups/{group}`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GetGroup {
    /// How long to wait until the group is not open.
    pub wait: Duration,
}

impl GetGroup {
    /// # Errors
    /// When a parameter is unknown or cannot be used.
    pub fn parse(query: Option<&str>) -> Result<Self> {
        let mut get = Self::default();
        let mut parameters = Parameters::of(Operation::GetGroup, query);
        while let Some(parameter) = parameters.next()? {
            match &*parameter.name {
                "wait" => get.wait = Duration::from_millis(parameter.wait_ms(limits::TASK_WAIT_MS_MAX)?),
                _ => return Err(parameter.unknown()),
            }
        }
        Ok(get)
    }
}

/// `GET /v1/queues/{queue}/tasks`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListTasks {
    pub state: Option<TaskState>,
    /// As the last page gave it.
    pub cursor: Option<Cursor>,
    pub limit: Option<u64>,
}

impl ListTasks {
    /// # Errors
    /// When a parameter is unknown or cannot be used.
    pub fn parse(query: Option<&str>) -> Result<Self> {
        let mut list = Self::default();
        let mut parameters = Parameters::of(Operation::ListTasks, query);
        while let Some(parameter) = parameters.next()? {
            match &*parameter.name {
                "state" => list.state = Some(parameter.task_state()?),
                "cursor" => list.cursor = Some(parameter.cursor()?),
                "limit" => list.limit = Some(parameter.limit(ReadForm::Json)?),
                _ => return Err(parameter.unknown()),
            }
        }
        Ok(list)
    }
}

/// A page of names: queues, limits, breakers, leases, values or schedules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListNames<N> {
    /// The last name of the page before.
    pub cursor: Option<N>,
    pub limit: Option<u64>,
}

/// `GET /v1/queues`
pub type ListQueues = ListNames<QueueName<'static>>;
/// `GET /v1/limits`
pub type ListLimits = ListNames<LimitName<'static>>;
/// `GET /v1/leases`
pub type ListLeases = ListNames<LeaseName<'static>>;
/// `GET /v1/values`
pub type ListValues = ListNames<ValueName<'static>>;
/// `GET /v1/breakers`
pub type ListBreakers = ListNames<BreakerName<'static>>;
/// `GET /v1/queues/{queue}/tenants`
pub type ListTenants = ListNames<TenantName<'static>>;
/// `GET /v1/schedules`
pub type ListSchedules = ListNames<ScheduleName<'static>>;

impl ListQueues {
    /// # Errors
    /// When a parameter is unknown or cannot be used.
    pub fn parse(query: Option<&str>) -> Result<Self> {
        Self::read(Operation::ListQueues, query, QueueName::new)
    }
}

impl ListLimits {
    /// # Errors
    /// When a parameter is unknown or cannot be used.
    pub fn parse(query: Option<&str>) -> Result<Self> {
        Self::read(Operation::ListLimits, query, LimitName::new)
    }
}

impl ListLeases {
    /// # Errors
    /// When a parameter is unknown or cannot be used.
    pub fn parse(query: Option<&str>) -> Result<Self> {
        Self::read(Operation::ListLeases, query, LeaseName::new)
    }
}

impl ListValues {
    /// # Errors
    /// When a parameter is unknown or cannot be used.
    pub fn parse(query: Option<&str>) -> Result<Self> {
        Self::read(Operation::ListValues, query, ValueName::new)
    }
}

impl ListBreakers {
    /// # Errors
    /// When a parameter is unknown or cannot be used.
    pub fn parse(query: Option<&str>) -> Result<Self> {
        Self::read(Operation::ListBreakers, query, BreakerName::new)
    }
}

impl ListTenants {
    /// # Errors
    /// When a parameter is unknown or cannot be used.
    pub fn parse(query: Option<&str>) -> Result<Self> {
        Self::read(Operation::ListTenants, query, TenantName::new)
    }
}

impl ListSchedules {
    /// # Errors
    /// When a parameter is unknown or cannot be used.
    pub fn parse(query: Option<&str>) -> Result<Self> {
        Self::read(Operation::ListSchedules, query, ScheduleName::new)
    }
}

impl<N> ListNames<N> {
    pub(in crate::request) fn read<E>(
        operation: Operation,
        query: Option<&str>,
        name: impl Fn(String) -> std::result::Result<N, E>,
    ) -> Result<Self> {
        let mut list = Self { cursor: None, limit: None };
        let mut parameters = Parameters::of(operation, query);
        while let Some(parameter) = parameters.next()? {
            match &*parameter.name {
                "cursor" => {
                    let why = "it does not come from the `next` of a page";
                    list.cursor = Some(name(parameter.text()?).map_err(|_| invalid("cursor", why))?);
                }
                "limit" => list.limit = Some(parameter.limit(ReadForm::Json)?),
                _ => return Err(parameter.unknown()),
            }
        }
        Ok(list)
    }

    /// How many to read for the page: one more than it holds, to know whether there is another.
    #[must_use]
    pub fn read_max(&self) -> usize {
        self.page_max().saturating_add(1)
    }

    /// How many names the page holds at most.
    #[must_use]
    pub fn page_max(&self) -> usize {
        self.limit.map_or(limits::PAGE_EVENTS_DEFAULT, |limit| usize::try_from(limit).unwrap_or(usize::MAX))
    }
}

/// Reads which chunk of a backup's rows to return.
///
/// # Errors
/// When a parameter is unknown or cannot be used.
pub fn backup_chunk(query: Option<&str>) -> Result<u32> {
    let number = only_number(Operation::ReadBackupRows, query, 999_999_999)?;
    Ok(u32::try_from(number).unwrap_or(u32::MAX))
}

/// Reads from which byte of a segment of a backup to return.
///
/// # Errors
/// When a parameter is unknown or cannot be used.
pub fn backup_byte(query: Option<&str>) -> Result<u64> {
    only_number(Operation::ReadBackupSegment, query, 999_999_999_999_999_999)
}

/// Reads after which entry to read the log for an archive.
///
/// # Errors
/// When a parameter is unknown or cannot be used.
pub fn archive_entry(query: Option<&str>) -> Result<Index> {
    only_number(Operation::ArchiveLog, query, 999_999_999_999_999_999).map(Index)
}

/// Reads after which key to copy the keys of subjects.
///
/// # Errors
/// When a parameter is unknown or cannot be used.
pub fn subject_key(query: Option<&str>) -> Result<KeyId> {
    let number = only_number(Operation::CopySubjectKeys, query, 999_999_999)?;
    Ok(KeyId(u32::try_from(number).unwrap_or(u32::MAX)))
}

/// The value of the only parameter that the operation has, or 0.
fn only_number(operation: Operation, query: Option<&str>, max: u64) -> Result<u64> {
    let (mut parameters, mut number) = (Parameters::of(operation, query), 0);
    while let Some(parameter) = parameters.next()? {
        number = parameter.number_to(max)?;
    }
    Ok(number)
}

/// For routes that take no parameters.
///
/// # Errors
/// When there is one.
pub fn none(query: Option<&str>) -> Result<()> {
    // All such routes are alike; the process's own is one of them.
    Parameters::of(Operation::Live, query).next().map(|_| ())
}

/// The problem with a parameter whose value is refused elsewhere, such as a time in the future.
#[must_use]
pub fn refused(code: Code, name: &'static str, why: String) -> Box<Problem> {
    Problem::new(code, why).parameter(name)
}

#[cfg(test)]
mod tests;
