//! The chunker: every chunk of a document is exactly its span, and nothing of a block but white space is lost.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rag_core::{ChunkingOptions, DocumentChunker, DocumentParser, ParseRequest};
use rag_parse::{FileParser, StructuralChunker};

fuzz_target!(|data: &[u8]| {
    let Some((max, source)) = data.split_first() else { return };
    let Ok(parsed) = FileParser::default().parse(&ParseRequest::new("a.md", source)) else {
        return;
    };
    let options =
        ChunkingOptions { max_tokens: 16 + u32::from(*max), ..ChunkingOptions::default() };
    let (dataset, document) = ("set".parse().unwrap(), "document".parse().unwrap());
    let chunks = StructuralChunker::default().chunk(&dataset, &document, &parsed, &options);
    let mut held = vec![false; parsed.text.len()];
    for chunk in &chunks {
        assert_eq!(parsed.text.get(chunk.span.clone()), Some(&*chunk.text));
        held[chunk.span.clone()].fill(true);
    }
    for block in &parsed.blocks {
        for (at, c) in parsed.block_text(block).char_indices() {
            assert!(c.is_whitespace() || held[block.span.start + at], "{block:?}");
        }
    }
});
