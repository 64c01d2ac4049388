//! Random entries.

use model::Command;
use reference_model::{DAY_MS, Simple, draw};
use seeded_rng::Rng;

/// One entry's clocks and commands.
pub(crate) struct Drawn {
    pub(crate) wall: u64,
    pub(crate) elapsed: u64,
    pub(crate) commands: Vec<Command<'static>>,
}

pub(crate) fn entry(rng: &mut Rng, model: &Simple) -> Drawn {
    let step_ms = rng.pick(&[0, 0, 1, 1, 3, 50, 1_000, 5_000]);
    let wall = if rng.one_in(20) { model.wall.saturating_sub(500) } else { model.wall + step_ms };
    let count = if rng.one_in(10) { rng.below(12) } else { 1 + rng.below(3) };
    let command = |rng: &mut Rng| {
        if rng.one_in(10) { draw::own_command(rng, model) } else { draw::command(rng, model) }
    };
    let commands = (0..count).map(|_| command(rng)).collect();
    Drawn { wall, elapsed: elapsed(rng, model, step_ms), commands }
}

/// Sometimes exactly at the tick at which a record expires, or next to it.
fn elapsed(rng: &mut Rng, model: &Simple, step_ms: u64) -> u64 {
    match model.next_expiry() {
        Some(expires) if rng.one_in(60) => {
            (expires + rng.pick(&[0, 0, 1, DAY_MS]) - rng.pick(&[0, 0, 1])).max(model.elapsed)
        }
        _ => model.elapsed + step_ms,
    }
}
