//! The API through real sockets, over a node in this process on a temporary directory.

mod append;
mod bad_input;
mod connection;
mod contract;
mod follow;
mod lines;
mod node;
mod read_store;
mod read_stream;
mod streams;
mod wire;
