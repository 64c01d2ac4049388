//! The operations on schedules.

use super::operations::{ANY, BODY, COMMAND, DATA, KEYED, OBJECT, QUERY, STREAM_NAME, json};
use super::parameters::{IDEMPOTENCY_KEY, LIST_CURSOR, OWNER, REPLAYED, SCHEDULE, SCHEDULES_LIMIT, STORE};
use super::{Access, Description, Method, Response, Scope, Tag};
use crate::catalogue::Code;

const CONTROLLED: Response =
    Response { description: "What was done.", content: &[json("ScheduleControlled")], headers: &[&REPLAYED] };

pub(super) const PUT: Description = Description {
    id: "putSchedule",
    method: Method::Put,
    path: "/v1/schedules/{schedule}",
    access: Access::write(Scope::Name),
    tag: Tag::Schedules,
    summary: "Put a schedule",
    description: "Replaces the schedule, or creates it. A schedule that has changed begins again from now; putting it as it is changes nothing. A paused schedule stays paused.",
    parameters: &[&SCHEDULE, &STORE],
    request: &[json("ScheduleDefinition")],
    response: Response {
        description: "The schedule is as it was asked for.",
        content: &[json("SchedulePut")],
        headers: &[],
    },
    problems: &[ANY, DATA, STREAM_NAME, BODY, OBJECT, COMMAND, &[Code::TooManyItems, Code::TaskTooLarge]],
};

pub(super) const GET: Description = Description {
    id: "getSchedule",
    method: Method::Get,
    path: "/v1/schedules/{schedule}",
    access: Access::read(Scope::Name),
    tag: Tag::Schedules,
    summary: "Get a schedule",
    description: "Returns the schedule with its next ten ticks, its last ten runs, and the counts of skipped ticks by reason.",
    parameters: &[&SCHEDULE, &STORE],
    request: &[],
    response: Response { description: "The schedule.", content: &[json("Schedule")], headers: &[] },
    problems: &[ANY, DATA, STREAM_NAME, QUERY, &[Code::ScheduleNotFound]],
};

pub(super) const DELETE: Description = Description {
    id: "deleteSchedule",
    method: Method::Delete,
    path: "/v1/schedules/{schedule}",
    access: Access::write(Scope::Name),
    tag: Tag::Schedules,
    summary: "Delete a schedule",
    description: "Removes the schedule. Tasks that it has enqueued stay in their queue. Repeating the request is safe.",
    parameters: &[&SCHEDULE, &STORE],
    request: &[],
    response: Response {
        description: "The schedule does not exist any more.",
        content: &[json("ScheduleDeleted")],
        headers: &[],
    },
    problems: &[ANY, DATA, STREAM_NAME, COMMAND],
};

pub(super) const LIST: Description = Description {
    id: "listSchedules",
    method: Method::Get,
    path: "/v1/schedules",
    access: Access::read(Scope::Filtered),
    tag: Tag::Schedules,
    summary: "List schedules",
    description: "Returns one page of schedules, in no particular order.",
    parameters: &[&LIST_CURSOR, &SCHEDULES_LIMIT, &STORE],
    request: &[],
    response: Response { description: "The schedules.", content: &[json("ScheduleList")], headers: &[] },
    problems: &[ANY, DATA, QUERY],
};

pub(super) const PREVIEW: Description = Description {
    id: "previewSchedule",
    method: Method::Post,
    path: "/v1/schedules/{schedule}/preview",
    access: Access::read(Scope::Name),
    tag: Tag::Schedules,
    summary: "Preview a schedule",
    description: "Returns the next ten ticks of a schedule as if it were put now. Stores nothing.",
    parameters: &[&SCHEDULE, &STORE],
    request: &[json("ScheduleDefinition")],
    response: Response { description: "The next ticks.", content: &[json("SchedulePut")], headers: &[] },
    problems: &[ANY, DATA, STREAM_NAME, BODY, OBJECT, &[Code::TooManyItems, Code::TaskTooLarge]],
};

pub(super) const PAUSE: Description = Description {
    id: "pauseSchedule",
    method: Method::Post,
    path: "/v1/schedules/{schedule}/pause",
    access: Access::write(Scope::Name),
    tag: Tag::Schedules,
    summary: "Pause a schedule",
    description: "The schedule has no ticks until it is resumed.",
    parameters: &[&SCHEDULE, &STORE],
    request: &[],
    response: CONTROLLED,
    problems: &[ANY, DATA, STREAM_NAME, COMMAND, &[Code::ScheduleNotFound]],
};

pub(super) const RESUME: Description = Description {
    id: "resumeSchedule",
    method: Method::Post,
    path: "/v1/schedules/{schedule}/resume",
    access: Access::write(Scope::Name),
    tag: Tag::Schedules,
    summary: "Resume a schedule",
    description: "The schedule goes on from now. The time in which it was paused is not made up for.",
    parameters: &[&SCHEDULE, &STORE],
    request: &[],
    response: CONTROLLED,
    problems: &[ANY, DATA, STREAM_NAME, COMMAND, &[Code::ScheduleNotFound]],
};

pub(super) const FIRE: Description = Description {
    id: "fireSchedule",
    method: Method::Post,
    path: "/v1/schedules/{schedule}/fire",
    access: Access::write(Scope::Name),
    tag: Tag::Schedules,
    summary: "Fire a schedule now",
    description: "Enqueues the schedule's task, whatever the schedule says. Send an idempotency key, so that the request can be repeated.",
    parameters: &[&SCHEDULE, &IDEMPOTENCY_KEY, &STORE],
    request: &[],
    response: CONTROLLED,
    problems: &[
        ANY,
        DATA,
        STREAM_NAME,
        COMMAND,
        KEYED,
        &[Code::ScheduleNotFound, Code::TooManyTypes, Code::QueueFull],
    ],
};

pub(super) const BACKFILL: Description = Description {
    id: "backfillSchedule",
    method: Method::Post,
    path: "/v1/schedules/{schedule}/backfill",
    access: Access::write(Scope::Name),
    tag: Tag::Schedules,
    summary: "Make up for ticks of the past",
    description: "Enqueues a task for each tick of a range, at most 1,000. Ticks in the range that did enqueue a task get another one. Send an idempotency key, so that the request can be repeated.",
    parameters: &[&SCHEDULE, &IDEMPOTENCY_KEY, &STORE],
    request: &[json("ScheduleBackfill")],
    response: CONTROLLED,
    problems: &[
        ANY,
        DATA,
        STREAM_NAME,
        BODY,
        OBJECT,
        QUERY,
        COMMAND,
        KEYED,
        &[
            Code::EmptyBatch,
            Code::ScheduleNotFound,
            Code::ScheduleBusy,
            Code::TooManyItems,
            Code::TooManyTypes,
            Code::QueueFull,
        ],
    ],
};

pub(super) const PUT_SET: Description = Description {
    id: "putScheduleSet",
    method: Method::Put,
    path: "/v1/schedule-sets/{owner}",
    access: Access::write(Scope::Name),
    tag: Tag::Schedules,
    summary: "Put all schedules of an owner",
    description: "Puts each schedule of the set, and deletes those that the owner has put before and that the set does not name. All or nothing.",
    parameters: &[&OWNER, &STORE],
    request: &[json("ScheduleSetPut")],
    response: Response {
        description: "The owner has these schedules, and no others.",
        content: &[json("ScheduleSet")],
        headers: &[],
    },
    problems: &[
        ANY,
        DATA,
        STREAM_NAME,
        BODY,
        OBJECT,
        COMMAND,
        &[Code::ScheduleOwned, Code::TooManyItems, Code::TaskTooLarge],
    ],
};

pub(super) const GET_SET: Description = Description {
    id: "getScheduleSet",
    method: Method::Get,
    path: "/v1/schedule-sets/{owner}",
    access: Access::read(Scope::Name),
    tag: Tag::Schedules,
    summary: "Get the schedules of an owner",
    description: "Returns the names of the owner's schedules, as the owner has put them.",
    parameters: &[&OWNER, &STORE],
    request: &[],
    response: Response { description: "The schedules.", content: &[json("ScheduleSet")], headers: &[] },
    problems: &[ANY, DATA, STREAM_NAME, QUERY],
};
