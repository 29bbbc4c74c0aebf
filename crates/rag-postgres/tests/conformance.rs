//! A store over PostgreSQL does what every store must.

use std::sync::Arc;

use rag_postgres::{PostgresOptions, PostgresStore};
use testkit::{PostgresServer, conversation_suite, store_suite};

fn open(server: &PostgresServer) -> Arc<PostgresStore> {
    PostgresStore::open(PostgresOptions::new(server.database())).expect("a store")
}

#[test]
fn documents_jobs_and_searches() {
    let Some(server) = PostgresServer::start() else { return };
    store_suite::run(&|| open(&server));
}

#[test]
fn conversations() {
    let Some(server) = PostgresServer::start() else { return };
    conversation_suite::run(&|| open(&server));
}
