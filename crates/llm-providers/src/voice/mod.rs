//! Services that speak or listen in a dialect of their own.
//!
//! | service | speaks | listens |
//! |---|---|---|
//! | [`Deepgram`] | `POST /v1/speak` | `POST /v1/listen` (recorded files) |
//! | [`ElevenLabs`] | `POST /v1/text-to-speech/{voice}/stream` | `POST /v1/speech-to-text` |
//! | [`FishAudio`] | `POST /v1/tts`, in JSON | – |
//!
//! Facts: the API references of Deepgram ("Text to Speech REST", "Pre-Recorded Audio", "Errors") and ElevenLabs ("Stream
//! speech", "Create transcript", "Error messages"), and of Fish Audio ("Text to Speech"). Their live interfaces over WebSocket are not here.

mod client;
mod deepgram;
mod elevenlabs;
mod fish_audio;
mod models;

pub(crate) use client::Service;
pub use client::VoiceBuilder;
pub use deepgram::Deepgram;
pub use elevenlabs::ElevenLabs;
pub use fish_audio::FishAudio;
