use expect_test::{Expect, expect};
use proptest::prelude::*;
use rag_core::{Block, BlockKind, ChunkingOptions, DocumentParser, ParseRequest, Place};

use super::*;
use crate::FileParser;

fn chunks(parsed: &ParsedDocument, max_tokens: u32, overlap_tokens: u32) -> Vec<Chunk> {
    let options = ChunkingOptions { max_tokens, overlap_tokens, ..ChunkingOptions::default() };
    let (dataset, document) = ("set".parse().unwrap(), "doc".parse().unwrap());
    StructuralChunker::default().chunk(&dataset, &document, parsed, &options)
}

fn check(markdown: &str, max_tokens: u32, overlap_tokens: u32, expected: Expect) {
    let parsed =
        FileParser::default().parse(&ParseRequest::new("a.md", markdown.as_bytes())).unwrap();
    let lines = chunks(&parsed, max_tokens, overlap_tokens)
        .iter()
        .map(|chunk| {
            format!("[{}] {} {:?}\n", chunk.headings.join(" / "), chunk.tokens, chunk.text)
        })
        .collect::<String>();
    expected.assert_eq(&lines);
}

#[test]
fn sections_are_kept_apart() {
    let page = "Intro text that stands before all headings here.\n\n# A\n\none two three four five six\n\n## B\n\nseven eight nine ten\n\n# C\n\n- x\n- y\n";
    check(
        page,
        40,
        8,
        expect![[r#"
        [] 10 "Intro text that stands before all headings here."
        [A] 7 "A\n\none two three four five six"
        [A / B] 5 "B\n\nseven eight nine ten"
        [C] 5 "C\n\n- x\n- y"
    "#]],
    );
}

#[test]
fn tiny_sections_share_a_chunk() {
    check(
        "# Keys\n\n## a\n\nup\n\n## b\n\ndown\n\n# Next\n\nx\n",
        100,
        8,
        expect![[r#"
        [Keys] 9 "Keys\n\n## a\n\nup\n\n## b\n\ndown"
        [Next] 2 "Next\n\nx"
    "#]],
    );
}

#[test]
fn a_large_block_is_cut_between_sentences_with_overlap() {
    let text = "# H\n\nFirst sentence is here. Second one follows it. Third one comes then. Fourth ends it all.\n";
    check(
        text,
        12,
        6,
        expect![[r#"
        [H] 7 "H\n\nFirst sentence is here."
        [H] 11 "Second one follows it. Third one comes then."
        [H] 10 "Third one comes then. Fourth ends it all."
    "#]],
    );
}

#[test]
fn tables_are_cut_between_rows() {
    check(
        "| a | b |\n|---|---|\n| 1 | 2 |\n| 3 | 4 |\n| 5 | 6 |\n",
        14,
        4,
        expect![[r#"
        [] 14 "| a | b |\n|---|---|"
        [] 10 "| 1 | 2 |\n| 3 | 4 |"
        [] 5 "| 5 | 6 |"
    "#]],
    );
}

#[test]
fn a_giant_word_is_cut_inside() {
    check(
        &"x".repeat(100),
        5,
        0,
        expect![[r#"
        [] 5 "xxxxxxxxxxxxxxxxxxxxxxxxx"
        [] 5 "xxxxxxxxxxxxxxxxxxxxxxxxx"
        [] 5 "xxxxxxxxxxxxxxxxxxxxxxxxx"
        [] 5 "xxxxxxxxxxxxxxxxxxxxxxxxx"
    "#]],
    );
}

#[test]
fn ids_follow_the_text() {
    let parse = |text: &str| {
        FileParser::default().parse(&ParseRequest::new("a.md", text.as_bytes())).unwrap()
    };
    let ids = |text: &str| -> Vec<ChunkId> {
        chunks(&parse(text), 100, 0).into_iter().map(|chunk| chunk.id).collect()
    };
    let page = "# A\n\nsome longer text that is not tiny, with a good number of words in it\n\n# B\n\nother text\n";
    assert_eq!(ids(page), ids(page));
    let changed = ids(&page.replace("other", "new"));
    assert_eq!(ids(page)[0], changed[0]);
    assert_ne!(ids(page)[1], changed[1]);
}

#[test]
fn pages_of_all_blocks_are_kept() {
    let block = |span, page| Block {
        kind: BlockKind::Paragraph,
        span,
        place: Place { page: Some(page), bounds: None },
    };
    let parsed = ParsedDocument {
        text: "one\ntwo\nthree".into(),
        blocks: vec![block(0..3, 1), block(4..7, 2), block(8..13, 2)],
        ..ParsedDocument::default()
    };
    let chunk = &chunks(&parsed, 50, 0)[0];
    let places: Vec<_> =
        chunk.places.iter().map(|placed| (placed.span.clone(), placed.place.page)).collect();
    assert_eq!(places, [(0..3, Some(1)), (4..13, Some(2))]);
    assert_eq!([0, 3, 4, 12].map(|offset| chunk.page_at(offset)), [1, 1, 2, 2].map(Some));
}

/// Documents of blocks of any kind and size, with gaps between them.
pub(super) fn documents() -> impl Strategy<Value = ParsedDocument> {
    let kind = prop_oneof![
        (1_u8..=6).prop_map(|level| BlockKind::Heading { level }),
        Just(BlockKind::Paragraph),
        Just(BlockKind::ListItem),
        Just(BlockKind::Table),
        Just(BlockKind::Code { language: None }),
        Just(BlockKind::Caption),
    ];
    let text = "([a-zA-Zé日本 .,!?|\n]{0,60}|[a-z]{1,80}|([A-Z][a-z ]{3,30}\\. ){1,20}\
        |([A-Z]{0,3}\n)?(\\| [h-p]{0,6} \\| [h-p]{0,9} \\|\n)(\\|---\\|---\\|\n)(\\| [h-p]{0,6} \\| [h-p, ]{0,9} \\|\n){0,4}\
        |([h-p]{0,6}\t[h-p, ]{0,9}\n([h-p]{0,9}\n)?){1,4})";
    proptest::collection::vec((kind, text, "[ \n#*-]{0,4}"), 0..12).prop_map(|pieces| {
        let mut document = ParsedDocument::default();
        for (kind, text, gap) in pieces {
            let start = document.text.len();
            document.text.push_str(&text);
            let span = start..document.text.len();
            document.blocks.push(Block { kind, span, place: Place::default() });
            document.text.push_str(&gap);
            document.text.push('\n');
        }
        document
    })
}

proptest! {
    #[test]
    fn every_byte_is_in_a_chunk_and_no_chunk_is_too_large(
        document in documents(), max in 1_u32..60, overlap in 0_u32..20,
    ) {
        let chunks = chunks(&document, max, overlap);
        let mut covered = vec![false; document.text.len()];
        let mut start = 0;
        for (ordinal, chunk) in chunks.iter().enumerate() {
            prop_assert_eq!(document.text.get(chunk.span.clone()), Some(chunk.text.as_str()));
            prop_assert_eq!(chunk.ordinal as usize, ordinal);
            prop_assert!(chunk.span.start >= start, "chunks ascend");
            start = chunk.span.start;
            prop_assert!(!chunk.text.trim().is_empty());
            // One character can have more tokens than a budget of less than three.
            prop_assert!(chunk.tokens <= max.max(3), "{} tokens in {:?}", chunk.tokens, chunk.text);
            covered[chunk.span.clone()].fill(true);
        }
        for block in &document.blocks {
            for (offset, c) in document.block_text(block).char_indices() {
                prop_assert!(c.is_whitespace() || covered[block.span.start + offset]);
            }
        }
        let ids: std::collections::HashSet<_> = chunks.iter().map(|chunk| &chunk.id).collect();
        prop_assert_eq!(ids.len(), chunks.len());
    }
}
