//! `mainstay idempotency`: begin, complete and abandon the work under a key, or run a command once.

use super::Global;
use super::failure::{Class, Failure, Result};
use super::lease::duration;
use super::output::{Output, stdout};
use mainstay_client::{Begun, Client, Execution, ExecutionToken, StoredResponse};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::process::Stdio;
use std::time::Duration;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Begin the work under a key, and print its token; or print the response that is stored
    Begin(Ask),
    /// Store the response of the work under a key
    Complete(CompleteArgs),
    /// Free a key, because its work was not done
    Abandon(TokenArgs),
    /// Show whether the work under a key is in progress or done
    Get {
        /// The key
        key: String,
    },
    /// Free a key whatever its state is
    ///
    /// A stored response is forgotten, so the next request with the key does the work again.
    Forget {
        /// The key
        key: String,
    },
    /// Run a command once, and print its output each time
    ///
    /// If the command succeeds, its standard output is stored under the key, and later printed instead of running the
    /// command again. If it fails, the key is free, and the exit status is that of the command. The command finds the
    /// key and the token in MAINSTAY_KEY and MAINSTAY_KEY_TOKEN. It is killed when the time of the execution is over.
    Run(RunArgs),
}

/// How to begin.
#[derive(Debug, clap::Args)]
pub(crate) struct Ask {
    /// The key
    key: String,
    /// What identifies the content of the request, such as a hash
    #[arg(long, value_name = "TEXT")]
    fingerprint: Option<String>,
    /// How long the work may take, from 1s to 24h
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration)]
    ttl: Duration,
    /// Wait for the response while someone else does the work, for up to this long (at most 60s)
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = duration)]
    wait: Duration,
}

#[derive(Debug, clap::Args)]
pub(crate) struct TokenArgs {
    /// The key
    key: String,
    /// The token that was printed when the work was begun
    #[arg(env = "MAINSTAY_KEY_TOKEN")]
    token: String,
}

#[derive(Debug, clap::Args)]
pub(crate) struct CompleteArgs {
    #[command(flatten)]
    of: TokenArgs,
    /// The HTTP status of the response
    #[arg(long, value_name = "STATUS", default_value_t = 200)]
    status: u16,
    /// The body of the response as JSON, or `-` to read it from standard input
    #[arg(long, value_name = "JSON")]
    body: Option<String>,
    /// How long the response is kept, up to 366d
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = duration)]
    keep: Duration,
}

#[derive(Debug, clap::Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    ask: Ask,
    /// How long the output is kept, up to 366d
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = duration)]
    keep: Duration,
    /// The command and its arguments
    #[arg(required = true, last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

pub(crate) fn run(global: &Global, command: &Command) -> Result {
    match command {
        Command::Begin(ask) => begin(global, ask),
        Command::Complete(args) => complete(global, args),
        Command::Abandon(args) => global.run(async |client| Ok(args.execution(&client).abandon().await?)),
        Command::Get { key } => get(global, key),
        Command::Forget { key } => forget(global, key),
        Command::Run(args) => run_once(global, args),
    }
}

impl Ask {
    async fn begin(&self, client: &Client) -> Result<Begun> {
        let mut once = client.once(&self.key).ttl(self.ttl).wait(self.wait);
        if let Some(fingerprint) = &self.fingerprint {
            once = once.fingerprint(fingerprint);
        }
        Ok(once.begin().await?)
    }
}

impl TokenArgs {
    fn execution(&self, client: &Client) -> Execution {
        client.execution(&self.key, ExecutionToken(self.token.clone()))
    }
}

fn begin(global: &Global, ask: &Ask) -> Result {
    let begun = global.run(async |client| ask.begin(&client).await)?;
    match (begun, global.output) {
        (Begun::New(execution), Output::Table) => print(&format!("begun {}", execution.token())),
        (Begun::New(execution), _) => print_json(&json!({"state": "begun", "token": execution.token()})),
        (Begun::Completed(response), Output::Table) => print(&format!("completed {}", as_json(&response)?)),
        (Begun::Completed(response), _) => print_json(&json!({"state": "completed", "response": response})),
    }
}

fn complete(global: &Global, args: &CompleteArgs) -> Result {
    let response = match args.body.as_deref() {
        None => StoredResponse::new(args.status),
        Some("-") => {
            let mut body = String::new();
            std::io::stdin().read_to_string(&mut body)?;
            with_body(args.status, &body)?
        }
        Some(body) => with_body(args.status, body)?,
    };
    global.run(async |client| Ok(args.of.execution(&client).keep_for(args.keep).complete(&response).await?))
}

fn with_body(status: u16, body: &str) -> Result<StoredResponse> {
    let body: Value = serde_json::from_str(body)
        .map_err(|error| Failure::usage(format!("the body is not JSON: {error}")))?;
    Ok(StoredResponse::json(status, &body)?)
}

fn get(global: &Global, key: &str) -> Result {
    let state = global.run(async |client| Ok(client.execution_state(key).await?))?;
    let Some(state) = state else {
        return Err(Failure::new(Class::Refused, format!("nothing was begun under `{key}`")));
    };
    if global.output != Output::Table {
        return print_json(&state);
    }
    match &state.response {
        None => print(&format!("{}, for {}", state.state, state.expires_in)),
        Some(response) => {
            print(&format!("{}, for {}: {}", state.state, state.expires_in, as_json(response)?))
        }
    }
}

fn forget(global: &Global, key: &str) -> Result {
    let existed = global.run(async |client| Ok(client.forget_execution(key).await?))?;
    match global.output {
        Output::Table => print(if existed { "forgotten" } else { "nothing was begun" }),
        _ => print_json(&json!({"existed": existed})),
    }
}

/// The output of the command, and its exit status if it has failed.
struct Ended {
    output: Vec<u8>,
    failed: Option<u8>,
}

fn run_once(global: &Global, args: &RunArgs) -> Result {
    let ended = global.run(async |client| match args.ask.begin(&client).await? {
        Begun::Completed(response) => Ok(Ended { output: response.body()?, failed: None }),
        Begun::New(execution) => run_command(args, &execution.keep_for(args.keep)).await,
    })?;
    let mut out = stdout();
    out.write_all(&ended.output)?;
    out.flush()?;
    ended.failed.map_or(Ok(()), |status| Err(Failure::of_command(status)))
}

async fn run_command(args: &RunArgs, execution: &Execution) -> Result<Ended> {
    let [program, arguments @ ..] = &args.command[..] else {
        return Err(Failure::usage("there is no command"));
    };
    let child = tokio::process::Command::new(program)
        .args(arguments)
        .env("MAINSTAY_KEY", execution.key())
        .env("MAINSTAY_KEY_TOKEN", execution.token().to_string())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn();
    let output = match child {
        Ok(child) => {
            let output = tokio::time::timeout(args.ask.ttl, child.wait_with_output()).await;
            output
                .map_err(|_| Failure::local("the time of the execution is over, so the command was killed"))?
        }
        Err(error) => Err(error),
    };
    if let Ok(output) = &output
        && output.status.success()
    {
        execution.complete(&StoredResponse::bytes(200, &output.stdout)).await?;
        return Ok(Ended { output: output.stdout.clone(), failed: None });
    }
    // If this fails, the key is free when the time of the execution is over.
    let _ = execution.abandon().await;
    let output = output.map_err(|error| Failure::local(format!("{program}: {error}")))?;
    let status = output.status.code().and_then(|code| u8::try_from(code).ok());
    Ok(Ended { output: output.stdout, failed: Some(status.unwrap_or(1)) })
}

fn as_json(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(Failure::local)
}

fn print_json(value: &impl serde::Serialize) -> Result {
    print(&as_json(value)?)
}

fn print(line: &str) -> Result {
    let mut out = stdout();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}
