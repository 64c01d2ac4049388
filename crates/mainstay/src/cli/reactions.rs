//! `mainstay reactions`: a task for each event that matches.

use super::Global;
use super::failure::Result;
use super::output::{Align, print_list};
use clap::Subcommand;
use mainstay_client::{ReactionInfo, ReactionSettings};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List reactions and how far they are behind (the default)
    List,
    /// Show one reaction
    Show { reaction: String },
    /// Create a reaction, or replace its settings
    Put(Put),
    /// Stop a reaction where it is
    Pause { reaction: String },
    /// Let a paused reaction go on
    Resume { reaction: String },
    /// Remove a reaction; its tasks stay
    Delete { reaction: String },
}

#[derive(Debug, clap::Args)]
struct Put {
    reaction: String,
    /// The queue for the tasks
    #[arg(long)]
    queue: String,
    /// The type of the tasks
    #[arg(long)]
    task_type: String,
    /// Only events of streams whose names begin with this
    #[arg(long, default_value = "", hide_default_value = true)]
    prefix: String,
    /// Only events of this type; may be repeated
    #[arg(long = "type", value_name = "TYPE")]
    types: Vec<String>,
    /// The key of all tasks: they run one at a time
    #[arg(long, conflicts_with = "key_from_stream")]
    key: Option<String>,
    /// The tasks of one stream run one at a time, in order
    #[arg(long)]
    key_from_stream: bool,
    /// The priority of the tasks, from 0 to 9
    #[arg(long)]
    priority: Option<u8>,
    /// The tasks carry only where the event is, and not the event
    #[arg(long)]
    reference: bool,
    /// Where a new reaction begins: now, beginning, or a cursor
    #[arg(long, value_name = "CURSOR")]
    from: Option<String>,
}

impl Put {
    fn settings(&self) -> ReactionSettings {
        ReactionSettings {
            prefix: self.prefix.clone(),
            types: self.types.clone(),
            queue: self.queue.clone(),
            task_type: self.task_type.clone(),
            key: self.key.clone(),
            key_from: self.key_from_stream.then(|| "stream".to_owned()),
            priority: self.priority,
            payload: self.reference.then(|| "reference".to_owned()),
            paused: false,
            from: self.from.clone(),
        }
    }
}

pub(crate) fn run(global: &Global, args: &Args) -> Result {
    let reactions = global.run(async |client| {
        let paused = |reaction: ReactionInfo, paused| ReactionSettings { paused, ..reaction.settings };
        Ok(Some(match args.command.as_ref().unwrap_or(&Command::List) {
            Command::List => client.reactions().await?,
            Command::Show { reaction } => vec![client.reaction(reaction).await?],
            Command::Put(put) => {
                client.put_reaction(&put.reaction, &put.settings()).await?;
                vec![client.reaction(&put.reaction).await?]
            }
            Command::Pause { reaction } => {
                let settings = paused(client.reaction(reaction).await?, true);
                client.put_reaction(reaction, &settings).await?;
                vec![client.reaction(reaction).await?]
            }
            Command::Resume { reaction } => {
                let settings = paused(client.reaction(reaction).await?, false);
                client.put_reaction(reaction, &settings).await?;
                vec![client.reaction(reaction).await?]
            }
            Command::Delete { reaction } => {
                client.delete_reaction(reaction).await?;
                return Ok(None);
            }
        }))
    })?;
    match reactions {
        Some(reactions) => show(global, &reactions),
        None => Ok(()),
    }
}

fn show(global: &Global, reactions: &[ReactionInfo]) -> Result {
    let columns = [
        ("REACTION", Align::Left),
        ("STREAMS", Align::Left),
        ("TYPES", Align::Left),
        ("QUEUE", Align::Left),
        ("STATE", Align::Left),
        ("BEHIND", Align::Right),
        ("EVENTS", Align::Right),
        ("TASKS", Align::Right),
    ];
    print_list(global.output, reactions, &columns, |table, info| {
        let settings = &info.settings;
        let types = if settings.types.is_empty() { "*".into() } else { settings.types.join(",") };
        let state = info.blocked_on.as_ref().filter(|_| info.state == "blocked");
        let state = state.map_or(info.state.clone(), |why| format!("{}: {why}", info.state));
        table.row(vec![
            info.reaction.clone(),
            format!("{}*", settings.prefix),
            types,
            settings.queue.clone(),
            state,
            info.behind.clone(),
            info.behind_events.to_string(),
            info.tasks.to_string(),
        ])
    })
}
