//! Conversations in memory do what every store of conversations must.

use std::sync::Arc;

use dialog_service::MemoryConversations;
use testkit::conversation_suite;

#[test]
fn in_memory() {
    conversation_suite::run(&|| Arc::new(MemoryConversations::new()));
}
