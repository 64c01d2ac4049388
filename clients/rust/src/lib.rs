//! mainstay-client
