//! The real application on a free port, talked to over TCP.

mod accounts;
mod cache;
mod client;
mod connections;
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
mod openai;
mod operations;
mod providers;
mod ragflow;
mod recordings;
mod reload;
mod routes;
mod shutdown;
mod site;
mod tls;
mod usage;
