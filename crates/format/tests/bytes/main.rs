//! The formats' promises: bytes that never change, and reading that bears anything.

#[cfg(test)]
mod files;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod samples;
