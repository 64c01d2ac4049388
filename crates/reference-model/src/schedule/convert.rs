//! Commands about schedules, in the words of the model.

use super::{Definition, ScheduleAsk};
use crate::queue::NewTask;
use crate::{Simple, convert};
use model::{Command, NextTick, PutSchedule, ScheduleAction, ScheduleStep, Timing};

impl Simple {
    /// What a command asks of a schedule; `None` if it is about something else.
    pub(crate) fn schedule_ask_of(&mut self, command: &Command<'_>) -> Option<ScheduleAsk> {
        Some(match command {
            Command::PutSchedule(put) => ScheduleAsk::Put(put.schedule.to_string(), self.definition_of(put)),
            Command::PutScheduleSet(put) => {
                let set = put.schedules.iter().map(|put| (put.schedule.to_string(), self.definition_of(put)));
                ScheduleAsk::PutSet(put.owner.to_string(), set.collect())
            }
            Command::DeleteSchedule(delete) => ScheduleAsk::Delete(delete.schedule.to_string()),
            Command::ControlSchedule(control) => {
                let (key, name) = (control.keyed.as_ref().map(convert::key), control.schedule.to_string());
                match &control.action {
                    ScheduleAction::Pause => ScheduleAsk::Pause(name),
                    ScheduleAction::Resume => ScheduleAsk::Resume(name),
                    ScheduleAction::Fire => ScheduleAsk::Fire(key, name),
                    ScheduleAction::Backfill { ticks, overlap } => {
                        ScheduleAsk::Backfill(key, name, ticks.iter().map(|tick| tick.0).collect(), *overlap)
                    }
                }
            }
            Command::AdvanceSchedule(advance) => ScheduleAsk::Advance {
                schedule: advance.schedule.to_string(),
                generation: advance.generation.0,
                step: advance.step.as_ref().map(step),
            },
            _ => return None,
        })
    }

    fn definition_of(&mut self, put: &PutSchedule<'_>) -> Definition {
        let (rules, enqueue) = (&put.definition.rules, &put.definition.enqueue);
        Definition {
            text: format!("{:?}", put.definition),
            queue: self.queues.number(enqueue.queue.as_str()),
            task: NewTask::of(&enqueue.tasks[0]),
            every_ms: if let Timing::Every(ms) = rules.timing { ms } else { 0 },
            late_ms: rules.late_ms,
            catch_up: rules.catch_up,
            offset_ms: rules.offset_ms(&put.schedule),
            overlap: rules.overlap,
            runs_max: rules.runs_max,
            pause_on_failure: rules.pause_on_failure,
        }
    }
}

fn step(step: &ScheduleStep<'_>) -> ScheduleStep<'static> {
    let next = match &step.next {
        NextTick::Unknown => NextTick::Unknown,
        NextTick::At(tick) => NextTick::At(*tick),
        NextTick::Never => NextTick::Never,
        NextTick::Broken(why) => NextTick::Broken(why.clone().into_owned().into()),
    };
    ScheduleStep { after: step.after, missed: step.missed, tick: step.tick, next }
}
