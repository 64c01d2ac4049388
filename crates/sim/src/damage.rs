//! A stopped node whose disk has lost or changed some bits. The start or the reader must refuse and say which file
//! is damaged, or everything must be there as if nothing had happened. Never may a reader see something else.

use crate::checkers::matching;
use crate::checkers::shown::Shown;
use crate::machine::Machine;
use crate::process::{Ended, Stepped};
use crate::reference::Reference;
use crate::schedule::Moment;
use crate::unread::Unread;
use driver::{Effect, Input};

/// The effect of the damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// The start or a reader has reported it.
    Reported,
    /// It was repaired, or it hit nothing that matters.
    Harmless,
}

/// Starts the machine, whose file of this name is damaged, and reads everything.
///
/// # Errors
/// A reader sees something else than before, or the report does not name the file.
pub fn check(
    machine: &mut Machine,
    file: &str,
    moment: Moment,
    reference: &Reference,
) -> Result<Found, String> {
    let reported = |error: String| {
        if error.contains(file) || error.contains("the body file ends") {
            Ok(Found::Reported)
        } else {
            Err(format!("the damage to {file} is reported as: {error}"))
        }
    };
    if let Err(ended) = start(machine, moment) {
        return reported(ended.to_string());
    }
    let Some(process) = &machine.process else { return Err("it neither starts nor ends".into()) };
    match Shown::read(process) {
        Ok(shown) => matching::events(&shown, reference).map(|()| Found::Harmless),
        Err(Unread::Disk(error)) => reported(error.to_string()),
        Err(Unread::Broken(what)) => Err(what),
    }
}

/// Starts the process and does all that is due until it is ready.
///
/// # Errors
/// [`Ended`].
pub fn start(machine: &mut Machine, moment: Moment) -> Result<(), Ended> {
    machine.start(moment)?;
    let now = machine.now(moment);
    let Some(process) = &mut machine.process else { return Ok(()) };
    let mut stepped = process.step(now, Input::Start)?;
    let mut due = Vec::new();
    let mut more = false;
    loop {
        let Stepped { effects, work, ended } = stepped;
        if let Some(ended) = ended {
            return Err(ended);
        }
        due.extend(work);
        more |= effects.iter().any(|effect| matches!(effect, Effect::Continue));
        if effects.iter().any(|effect| matches!(effect, Effect::Ready { .. })) {
            return Ok(());
        }
        stepped = match due.pop() {
            Some(work) => process.work(now, work)?,
            None if std::mem::take(&mut more) => process.step(now, Input::Continue)?,
            None => {
                machine.process = None;
                return Ok(());
            }
        };
    }
}
