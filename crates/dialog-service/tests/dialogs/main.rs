//! What callers see of dialogs: single turns, and conversations.

mod conversations;
mod golden;
mod stage;
mod turns;
