//! State of `llm-bundle` that replicas share through Redis or Valkey.
