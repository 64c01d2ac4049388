//! The promises of the formats: bytes that never change, and decoders that accept any input safely.

#[cfg(test)]
mod files;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod groups;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod queue;
#[cfg(test)]
mod reaction;
#[cfg(test)]
mod samples;
#[cfg(test)]
mod schedule;
#[cfg(test)]
mod tasks;
