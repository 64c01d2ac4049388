//! http-server
