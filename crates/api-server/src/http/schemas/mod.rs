//! Types that say how bodies look which no type of ours is read from or written as. They are never made: handlers name
//! them in their descriptions.

#![allow(dead_code, reason = "they only describe")]

pub(super) mod chat;
pub(super) mod messages;
pub(super) mod models;
pub(super) mod native;
pub(super) mod refusals;
pub(super) mod responses;
