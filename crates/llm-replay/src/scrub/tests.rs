use proptest::prelude::*;
use serde_json::Value;

use super::*;

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
}

fn blanked(scrubber: &Scrubber, text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    scrubber.blank(&mut bytes);
    assert_eq!(bytes.len(), text.len());
    String::from_utf8(bytes).unwrap()
}

#[test]
fn the_secrets_of_a_request_are_found_wherever_they_are_sent() {
    let secret = "my/secret-42";
    for (header, value) in [
        ("authorization", "Bearer my/secret-42"),
        ("authorization", "my/secret-42"),
        // user:my/secret-42
        ("authorization", "Basic dXNlcjpteS9zZWNyZXQtNDI="),
        ("x-api-key", "my/secret-42"),
        ("api-key", "my/secret-42"),
        ("x-goog-api-key", "my/secret-42"),
        ("x-gateway-token", "my/secret-42"),
        ("cookie", "theme=dark; session=my/secret-42"),
    ] {
        let scrubber = Scrubber::new(&headers(&[(header, value)]), "");
        assert_eq!(scrubber.text(secret), "XX/XXXXXX-11", "{header}: {value}");
    }
    let scrubber = Scrubber::new(&HeaderMap::new(), "alt=sse&key=my%2Fsecret-42");
    for (text, expected) in [
        ("my/secret-42", "XX/XXXXXX-11"),
        (r#"{"a":"my\/secret-42"}"#, r#"{"a":"XX\/XXXXXX-11"}"#),
        (r#"{"a":"\u006dy\u002fsecret-42"}"#, r#"{"a":"\u0058X\u0058XXXXXX-11"}"#),
        (r#"{"a":"{\"b\":\"my\\/secret-42\"}"}"#, r#"{"a":"{\"b\":\"XX\\/XXXXXX-11\"}"}"#),
        ("/v1/files?from=my%2Fsecret%2D42", "/v1/files?from=XX%58XXXXXX%5811"),
        ("my/secret-4", "my/secret-4"),
    ] {
        assert_eq!(blanked(&scrubber, text), expected);
    }
}

#[test]
fn keys_are_known_by_their_form() {
    let scrubber = Scrubber::default();
    for (text, expected) in [
        (
            "my key is sk-proj-abcdefghijklmnopqrst0, ok",
            "my key is XX-XXXX-XXXXXXXXXXXXXXXXXXXX1, ok",
        ),
        (r#""a\nsk-ant-api03-abcdefghijklmnop""#, r#""a\nXX-XXX-XXX11-XXXXXXXXXXXXXXXX""#),
        ("AKIAIOSFODNN7EXAMPLE", "XXXXXXXXXXXX1XXXXXXX"),
        (
            "key=AIzaSyA-123456789012345678901234567890",
            "key=XXXXXXX-111111111111111111111111111111",
        ),
        ("gsk_ABCDEFGHIJKLMNOPQRST", "XXX_XXXXXXXXXXXXXXXXXXXX"),
        (
            "Authorization: Bearer abc.def~ghi+jkl/mno=0",
            "Authorization: XXXXXX XXX.XXX~XXX+XXX/XXX=1",
        ),
        (
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJlIQ",
            "XXXXXXXXXXXXXXX1XXX1.XXXXXXXXXXXXXX1.X1XXXXX1XXXXXX",
        ),
        (
            r#""-----BEGIN PRIVATE KEY-----\nMIIE+/a0\n-----END PRIVATE KEY-----\n""#,
            r#""-----BEGIN PRIVATE KEY-----\nXXXX+/X1\n-----END PRIVATE KEY-----\n""#,
        ),
        // Words, parts of words, and base64.
        ("the sk-learn-package-for-everyone", "the sk-learn-package-for-everyone"),
        ("a task-0123456789012345678901234", "a task-0123456789012345678901234"),
        ("Bearer authentication is common", "Bearer authentication is common"),
        (
            "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ",
            "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ",
        ),
        ("eyJhIjoxfQ and eyJhIjoxfQ.then", "eyJhIjoxfQ and eyJhIjoxfQ.then"),
    ] {
        assert_eq!(blanked(&scrubber, text), expected);
    }
}

#[test]
fn headers_and_queries_keep_what_says_something_about_the_call() {
    let sent = headers(&[
        ("authorization", "Bearer secret-secret"),
        ("anthropic-version", "2023-06-01"),
        ("content-type", "application/json"),
        ("user-agent", "someone"),
        ("x-forwarded-for", "10.0.0.1"),
    ]);
    let scrubber = Scrubber::new(&sent, "");
    let kept: Vec<_> = scrubber.request_headers(&sent).into_iter().collect();
    let expected = [
        ("anthropic-version", "2023-06-01"),
        ("authorization", "REDACTED"),
        ("content-type", "application/json"),
    ];
    assert_eq!(kept, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));

    let answered = headers(&[
        ("set-cookie", "a=b"),
        ("openai-organization", "someone"),
        ("x-ratelimit-limit-requests", "60"),
        ("x-request-id", "of secret-secret"),
    ]);
    let kept: Vec<_> = scrubber.response_headers(&answered).into_iter().collect();
    let expected = [("x-ratelimit-limit-requests", "60"), ("x-request-id", "of XXXXXX-XXXXXX")];
    assert_eq!(kept, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));

    assert_eq!(
        scrubber.query("alt=sse&key=abc&Api_Key=d"),
        "alt=sse&key=REDACTED&Api_Key=REDACTED"
    );
    assert!(!format!("{scrubber:?}").contains("secret-secret"));
}

#[test]
fn short_keys_are_words_and_stay() {
    let scrubber = Scrubber::new(&headers(&[("authorization", "Bearer none")]), "");
    let body = r#"{"tool_choice":"none"}"#;
    assert_eq!(blanked(&scrubber, body), body);
}

#[test]
fn numbers_stay_numbers() {
    let scrubber = Scrubber::new(&headers(&[("x-api-key", "12345678e9")]), "");
    assert_eq!(blanked(&scrubber, "[12345678e9]"), "[11111111e1]");
}

/// A text as JSON with some characters escaped that need not be.
fn escaped(text: &str, mut choices: impl Iterator<Item = u8>) -> String {
    let units = text.chars().map(|character| {
        let mut utf16 = [0; 2];
        let utf16 = character.encode_utf16(&mut utf16);
        match (choices.next(), character) {
            (Some(0), _) if character != '\\' => {
                utf16.iter().map(|unit| format!("\\u{unit:04x}")).collect()
            }
            (_, '/') => r"\/".to_owned(),
            (_, '"' | '\\') => format!("\\{character}"),
            _ => character.to_string(),
        }
    });
    format!("\"{}\"", units.collect::<String>())
}

proptest! {
    #[test]
    fn no_secret_survives(
        secret in r#"[a-zA-Z0-9/"\\%._+=-]{3}[a-zA-Z]{4}[a-zA-Z0-9/"\\%._+=-]{1,30}"#,
        before in "[^\u{0}-\u{1f}]{0,20}",
        after in "[^\u{0}-\u{1f}]{0,20}",
        choices in prop::collection::vec(0..4_u8, 0..80),
    ) {
        let scrubber = Scrubber::new(&headers(&[("x-api-key", &secret)]), "");
        let text = format!("{before}{secret}{after}");
        prop_assert!(!blanked(&scrubber, &text).contains(&secret));

        // However JSON writes it, and JSON within JSON.
        let once = escaped(&text, choices.iter().copied());
        let twice = serde_json::to_string(&once).unwrap();
        let found: String = serde_json::from_str(&blanked(&scrubber, &once)).unwrap();
        prop_assert!(!found.contains(&secret), "{found}");
        let found: String = serde_json::from_str(&blanked(&scrubber, &twice)).unwrap();
        let found: String = serde_json::from_str(&found).unwrap();
        prop_assert!(!found.contains(&secret), "{found} {twice}");
    }

    #[test]
    fn no_well_known_key_survives(
        prefix in prop::sample::select(vec!["sk-", "sk-ant-api03-", "gsk_", "xai-", "hf_", "AIza", "AKIA"]),
        rest in "[A-Z0-9]{36}",
        before in r#"([^\u{0}-\u{1f}]{0,20}[ "/=:,])?"#,
        after in r#"([ ".,;)][^\u{0}-\u{1f}]{0,20})?"#,
        choices in prop::collection::vec(0..4_u8, 0..80),
    ) {
        let key = format!("{prefix}{rest}");
        let json = escaped(&format!("{before}{key}{after}"), choices.into_iter());
        let found: Value = serde_json::from_str(&blanked(&Scrubber::default(), &json)).unwrap();
        prop_assert!(!found.as_str().unwrap().contains(&rest));
    }

    #[test]
    fn any_bytes_are_taken(mut bytes in prop::collection::vec(any::<u8>(), 0..200), secret in "[ -~]{8,20}") {
        let length = bytes.len();
        let scrubber = Scrubber::new(&headers(&[("x-api-key", secret.trim())]), "");
        scrubber.blank(&mut bytes);
        scrubber.blank_event_stream(&mut bytes);
        prop_assert_eq!(bytes.len(), length);
    }

    #[test]
    fn json_stays_json(value in "[a-zA-Z0-9\"\\\\/%{}:,\u{e9}\u{1f600}-]{0,60}", secret in "[a-z0-9/-]{8,12}") {
        let scrubber = Scrubber::new(&headers(&[("x-api-key", &secret)]), "");
        let json = serde_json::json!({ &value: [&value, &secret, 12_345_678, format!("{value}{secret}")] });
        let text = blanked(&scrubber, &json.to_string());
        prop_assert!(serde_json::from_str::<Value>(&text).is_ok(), "{text}");
    }
}
