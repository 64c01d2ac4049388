//! The promises of the formats: bytes that never change, and decoders that accept any input safely.

#[cfg(test)]
mod archive;
#[cfg(test)]
mod breaker;
#[cfg(test)]
mod execution;
#[cfg(test)]
mod fair;
#[cfg(test)]
mod files;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod groups;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod limit;
#[cfg(test)]
mod queue;
#[cfg(test)]
mod reaction;
#[cfg(test)]
mod samples;
#[cfg(test)]
mod schedule;
#[cfg(test)]
mod snapshot;
#[cfg(test)]
mod subject;
#[cfg(test)]
mod tasks;
#[cfg(test)]
mod token;
