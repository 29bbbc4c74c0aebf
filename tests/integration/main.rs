//! The real application on a free port, talked to over TCP.

mod cache;
mod client;
mod conversations;
mod dialects;
mod dialog;
mod dialogs;
mod disconnect;
mod documents;
mod doors;
mod keys;
mod knowledge;
mod limits;
mod local_model;
mod mcp;
mod openai;
mod operations;
mod ragflow;
mod recordings;
mod routes;
mod shutdown;
mod site;
mod usage;
