//! `GET` and `PUT /v1/streams/{stream}/settings`: what a stream keeps.

use super::command::{refused, submit};
use super::parts;
use crate::body::read_whole;
use crate::context::Context;
use crate::response::{self, Result};
use crate::unavailable;
use api::request::settings;
use api::response::outcome::write_settings;
use api::response::refusal::Target;
use axum::body::Body;
use http::request;
use model::{Command, Outcome, PutSettings, Settings};

pub(super) async fn get(context: &Context, parts: &request::Parts) -> Result {
    parts::no_query(parts)?;
    unavailable::check_readable(context)?;
    let stream = parts::stream(parts)?.into_owned();
    let asked = stream.clone();
    let state = context
        .handle
        .read(move |snapshot| Ok(shard::query::stream(&snapshot.state, &asked)?))
        .await
        .map_err(|error| unavailable::read_problem(&error))?;
    Ok(rendered(stream.as_str(), &state.settings))
}

pub(super) async fn put(context: &Context, parts: &request::Parts, body: &mut Body) -> Result {
    parts::no_query(parts)?;
    let stream = parts::stream(parts)?;
    api::media::check_json(api::request::head::Head::read(&parts.headers)?.content_type)?;
    let body = read_whole(&context.buffers, &parts.headers, body).await?;
    let settings = settings::read(&parts.headers, &body)?;
    let command = PutSettings { stream: stream.clone().into_owned(), settings };
    match submit(context, parts, Command::PutSettings(command)).await? {
        Outcome::SettingsPut => Ok(rendered(stream.as_str(), &settings)),
        outcome => Err(refused(context, &outcome, Target::Stream(stream.as_str()))),
    }
}

fn rendered(stream: &str, settings: &Settings) -> response::Response {
    let mut out = Vec::with_capacity(160);
    write_settings(&mut out, stream, settings);
    response::json(out)
}
