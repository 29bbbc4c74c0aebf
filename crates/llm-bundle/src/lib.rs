//! One handle over async and synchronous models: dispatch, guards, routing, usage.
