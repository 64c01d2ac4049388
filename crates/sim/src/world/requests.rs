//! What clients send and receive.

use super::{ASKING_MICROS, Event, ORDERLY_CLIENTS, STALLED_MICROS, World};
use crate::checkers::claims;
use crate::clients::waits_for_tasks;
use crate::process::Process;
use crate::reply::Reply;
use driver::Input;
use model::{Appended, Command, Outcome, Written};
use node::{Request, Unavailable};

/// How long a client waits for tasks at most.
const CLAIM_MICROS_MAX: u64 = 200_000;

impl World {
    /// It is a client's turn.
    pub(super) fn client(&mut self, number: u64) -> Result<(), String> {
        let asks = self.schedule.now().0 <= ASKING_MICROS;
        let command = match self.orderly.get_mut(number as usize) {
            Some(client) if asks || client.waits() => Some(client.send(&mut self.rng, &mut self.ledger)),
            Some(_) => None,
            None => {
                let client = &mut self.drawn[(number - ORDERLY_CLIENTS) as usize];
                let model = self.reference.model();
                if asks {
                    Some(client.send(&mut self.rng, model))
                } else {
                    client.stop_schedules(&mut self.rng, model)
                }
            }
        };
        let Some(command) = command else { return Ok(()) };
        if self.machine.process.is_none() {
            self.ask_again_later(number);
            return Ok(());
        }
        self.requests += 1;
        let reply = Reply::new(number, self.requests);
        self.waiting.insert(number, reply.clone());
        let request = match command {
            Command::Claim(claim) if waits_for_tasks(&claim) => {
                let after = self.rng.between(1_000, CLAIM_MICROS_MAX);
                self.schedule.after(after, Event::GiveUp { client: number, request: reply.request });
                Request::Claim { claim, reply }
            }
            command => Request::Command { command, reply },
        };
        self.step(Input::Requests(vec![request]))
    }

    /// The client got no outcome and will send the command again, or another one.
    pub(super) fn ask_again_later(&mut self, client: u64) {
        let after = self.rng.between(1_000, 30_000);
        self.schedule.after(after, Event::Client(client));
    }

    /// The process has ended, and nobody will have an outcome of it.
    pub(super) fn forget_waiting(&mut self) {
        self.reference.ended();
        self.given_up.clear();
        for client in std::mem::take(&mut self.waiting).into_keys() {
            self.ask_again_later(client);
        }
    }

    /// A client has waited for tasks for long enough.
    pub(super) fn give_up(&mut self, client: u64, request: u64) -> Result<(), String> {
        if self.waiting.get(&client).is_none_or(|reply| reply.request != request) {
            return Ok(());
        }
        let command = self.command_of(client)?.clone();
        if let (Command::Claim(claim), true) = (&command, self.is_node_idle()) {
            claims::has_reason_to_wait(claim, self.reference.model())?;
        }
        if let Some(reply) = self.waiting.remove(&client) {
            reply.give_up();
            self.given_up.insert(request, command);
        }
        self.ask_again_later(client);
        Ok(())
    }

    /// Whether nothing is under way in the node, and nothing keeps it from doing what it has to do.
    fn is_node_idle(&self) -> bool {
        let is_hindered = self.bounded.read_only || self.bounded.lagging || self.bounded.stalled.is_some();
        let is_at_work = self.machine.process.as_ref().is_none_or(Process::is_at_work);
        self.ready && !self.stopping && !is_hindered && !is_at_work
    }

    /// The command that a client sent last.
    fn command_of(&self, client: u64) -> Result<&Command<'static>, String> {
        let drawn = client.checked_sub(ORDERLY_CLIENTS).map(|at| &self.drawn[at as usize]);
        let command = match drawn {
            Some(client) => client.last(),
            None => self.orderly[client as usize].pending(),
        };
        command.ok_or_else(|| "an outcome that no client waits for".to_owned())
    }

    pub(super) fn answered(
        &mut self,
        reply: &Reply,
        result: Result<Outcome, Unavailable>,
    ) -> Result<(), String> {
        let client = reply.client;
        if let Some(command) = self.given_up.remove(&reply.request) {
            // The worker is gone, and the claim will expire.
            return result.map_or(Ok(()), |outcome| self.reference.outcome(&command, &outcome));
        }
        if self.waiting.remove(&client).is_none_or(|waits| waits.request != reply.request) {
            return Err(format!("client {client} received two results"));
        }
        let outcome = match result {
            Ok(outcome) => outcome,
            Err(Unavailable::DiskStalled(_)) if self.bounded.stalled.is_none() => {
                return Err("a request was rejected for a disk that responds".to_owned());
            }
            Err(Unavailable::DiskStalled(_)) => {
                let after = self.rng.between(STALLED_MICROS, 5 * STALLED_MICROS);
                self.schedule.after(after, Event::Client(client));
                return Ok(());
            }
            Err(_) => {
                self.ask_again_later(client);
                return Ok(());
            }
        };
        self.is_visible(&outcome)?;
        self.report.refusals += u64::from(matches!(outcome, Outcome::Refused(_)));
        let command = self.command_of(client)?.clone();
        self.reference.outcome(&command, &outcome)?;
        self.tasks.told(&command, &outcome)?;
        if let Some(client) = self.orderly.get_mut(client as usize) {
            client.receive(&outcome, &mut self.ledger)?;
        } else {
            self.ledger.acknowledgements += 1;
        }
        let after = self.rng.below(20_000);
        self.schedule.after(after, Event::Client(client));
        Ok(())
    }

    /// What is acknowledged, every reader can see.
    fn is_visible(&self, outcome: &Outcome) -> Result<(), String> {
        let writes: Vec<&Appended> = match outcome {
            Outcome::Appended(appended) => vec![appended],
            Outcome::Transacted { writes, .. } => writes.iter().filter_map(Written::appended).collect(),
            _ => return Ok(()),
        };
        let visible = self.machine.process.as_ref().map(Process::visible);
        let last =
            writes.iter().flat_map(|write| write.events.iter().map(|event| write.cursor(*event))).max();
        match (last, visible) {
            (Some(last), Some(visible)) if last > visible => {
                Err(format!("{last} was acknowledged while readers saw only up to {visible}"))
            }
            _ => Ok(()),
        }
    }
}
