//! Calls to a server of the Model Context Protocol (MCP): what a request calls, and lists of calls. Nothing is decided here.

pub mod call;
pub mod calls;
pub mod metadata;
