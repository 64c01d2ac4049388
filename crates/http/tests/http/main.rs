//! The API through real sockets. The node runs in this process, on a temporary directory.

#[cfg(test)]
mod abuse;
#[cfg(test)]
mod access;
#[cfg(test)]
mod allowance;
#[cfg(test)]
mod append;
#[cfg(test)]
mod as_of;
#[cfg(test)]
mod bad_input;
#[cfg(test)]
mod breakers;
#[cfg(test)]
mod connection;
#[cfg(test)]
mod contract;
#[cfg(test)]
mod damage;
#[cfg(test)]
mod executions;
#[cfg(test)]
mod follow;
#[cfg(test)]
mod http2;
#[cfg(test)]
mod identities;
#[cfg(test)]
mod leases;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod lines;
#[cfg(test)]
mod many_tasks;
#[cfg(test)]
mod node;
#[cfg(test)]
mod origin;
#[cfg(test)]
mod queues;
#[cfg(test)]
mod reactions;
#[cfg(test)]
mod read_store;
#[cfg(test)]
mod read_stream;
#[cfg(test)]
mod schedules;
#[cfg(test)]
mod script;
#[cfg(test)]
mod store;
#[cfg(test)]
mod streams;
#[cfg(test)]
mod subjects;
#[cfg(test)]
mod tenants;
#[cfg(test)]
mod tls;
#[cfg(test)]
mod tokens;
#[cfg(test)]
mod ui;
#[cfg(test)]
mod values;
#[cfg(test)]
mod watch;
#[cfg(test)]
mod wire;
mod workers;
