//! The real application on a free port, talked to over TCP.

mod audio;
mod cache;
mod client;
mod conversations;
mod dialects;
mod dialog;
mod dialogs;
mod disconnect;
mod doors;
mod keys;
mod knowledge;
mod limits;
mod local_model;
mod mcp;
mod mcp_server;
mod openai;
mod operations;
mod ragflow;
mod recordings;
mod responses;
mod routes;
mod shutdown;
mod site;
mod usage;
