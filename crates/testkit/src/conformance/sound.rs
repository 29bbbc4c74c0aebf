//! Speech against a recording.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::Exchange;

/// How sound differs from the recorded, which is the body itself or base64 in its `audio_data`.
pub fn compare_sound(exchange: &Exchange, sound: &[u8]) -> Vec<String> {
    let recorded = exchange.response.bytes();
    let expected = match serde_json::from_slice::<Value>(&recorded) {
        Ok(body) => {
            let inside = body.get("audio_data").and_then(Value::as_str).unwrap_or_default();
            STANDARD.decode(inside).unwrap_or_default()
        }
        Err(_) => recorded,
    };
    if sound == expected && !sound.is_empty() {
        return Vec::new();
    }
    vec![format!("sound: {} bytes, not the {} recorded", sound.len(), expected.len())]
}
