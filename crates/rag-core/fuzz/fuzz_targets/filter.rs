//! Any text is a filter or is refused; a filter is written such that reading it gives the same one, stays within its
//! bounds, and is the opposite of its `not`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use rag_core::{Metadata, MetadataFilter, MetadataValue};

fuzz_target!(|text: &str| {
    let Ok(filter) = text.parse::<MetadataFilter>() else { return };
    let written = filter.to_string();
    assert_eq!(written.parse::<MetadataFilter>().as_ref(), Ok(&filter), "{written}");

    let prepared = filter.prepare().expect("a filter that was read is within bounds");
    let texts = MetadataValue::List(vec![text.chars().take(40).collect(), "2026-11-23".into()]);
    for value in [texts, MetadataValue::Number(1.0), MetadataValue::Text("a".into())] {
        let metadata = Metadata::from([("a".to_owned(), value)]);
        let matches = filter.matches(&metadata);
        assert_eq!(prepared.matches(&metadata), matches, "{written}");
        let opposite = MetadataFilter::Not(Box::new(filter.clone()));
        assert_ne!(opposite.matches(&metadata), matches, "{written}");
    }
});
