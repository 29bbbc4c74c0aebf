//! What a chunk is, by method.

use expect_test::{Expect, expect};
use proptest::prelude::*;
use rag_core::{ChildOptions, Delimiter, DocumentParser, ParseRequest};

use super::tests::documents;
use super::*;
use crate::FileParser;

fn options(method: ChunkMethod, max_tokens: u32) -> ChunkingOptions {
    ChunkingOptions { method, max_tokens, overlap_tokens: 0, ..ChunkingOptions::default() }
}

fn chunk(parsed: &ParsedDocument, options: &ChunkingOptions) -> Vec<Chunk> {
    let (dataset, document) = ("set".parse().unwrap(), "doc".parse().unwrap());
    StructuralChunker::default().chunk(&dataset, &document, parsed, options)
}

fn check(name: &str, text: &str, options: ChunkingOptions, expected: Expect) {
    let parsed = FileParser::default().parse(&ParseRequest::new(name, text.as_bytes())).unwrap();
    let line = |chunk: &Chunk| {
        let mut line = format!("[{}] {:?}", chunk.headings.join(" / "), chunk.text);
        if chunk.kind != ChunkKind::Passage {
            line.push_str(&format!(" {:?}", chunk.kind));
        }
        if chunk.parent.is_some() {
            line.push_str(" part");
        }
        if let Some(context) = &chunk.context {
            line.push_str(&format!(" context {context:?}"));
        }
        if !chunk.questions.is_empty() {
            line.push_str(&format!(" asks {:?}", chunk.questions));
        }
        if !chunk.tags.is_empty() {
            let names: Vec<&str> = chunk.tags.iter().map(|tag| tag.name.as_str()).collect();
            line.push_str(&format!(" tags {names:?}"));
        }
        line + "\n"
    };
    expected.assert_eq(&chunk(&parsed, &options).iter().map(line).collect::<String>());
}

#[test]
fn rows_of_a_table_carry_its_header() {
    let page =
        "# Prices\n\nIn euros.\n\n| drink | price |\n|---|---|\n| tea | 3 |\n| coffee | 4 |\n";
    check(
        "a.md",
        page,
        options(ChunkMethod::Table, 100),
        expect![[r#"
        [Prices] "Prices\n\nIn euros."
        [Prices] "| tea | 3 |" context "| drink | price |\n|---|---|"
        [Prices] "| coffee | 4 |" context "| drink | price |\n|---|---|"
    "#]],
    );
}

#[test]
fn questions_come_from_rows_lines_and_headings() {
    let rows = "| How hot? | 80 degrees. |\n|---|---|\n| How long? | Two minutes. |\n";
    check(
        "a.md",
        rows,
        options(ChunkMethod::Qa, 100),
        expect![[r#"
        [] "| How hot? | 80 degrees. |" asks ["How hot?"]
        [] "| How long? | Two minutes. |" asks ["How long?"]
    "#]],
    );
    let lines = "How hot?\t80 degrees.\nHow long?\tTwo minutes.\n";
    check(
        "a.txt",
        lines,
        options(ChunkMethod::Qa, 100),
        expect![[r#"
        [] "How hot?\t80 degrees." asks ["How hot?"]
        [] "How long?\tTwo minutes." asks ["How long?"]
    "#]],
    );
    let headings =
        "# Tea\n\n## How hot?\n\n80 degrees.\n\nNot more.\n\n## How long?\n\nTwo minutes.\n";
    check(
        "a.md",
        headings,
        options(ChunkMethod::Qa, 100),
        expect![[r#"
        [Tea] "Tea"
        [Tea / How hot?] "How hot?\n\n80 degrees.\n\nNot more." asks ["How hot?"]
        [Tea / How long?] "How long?\n\nTwo minutes." asks ["How long?"]
    "#]],
    );
}

#[test]
fn descriptions_carry_tags() {
    let rows = "| content | tags |\n|---|---|\n| goods come back | refunds, returns |\n| parcels | shipping |\n";
    check(
        "a.md",
        rows,
        options(ChunkMethod::Tag, 100),
        expect![[r#"
        [] "goods come back" tags ["refunds", "returns"]
        [] "parcels" tags ["shipping"]
    "#]],
    );
}

#[test]
fn articles_of_laws_are_chunks() {
    let law = "Tea Act\n\nChapter I\n\nArticle 1. Tea is free.\n\nIt stays free.\n\nArticle 2. Milk is not.\n\nChapter II\n\nArticle 3. Sugar is banned.\n";
    check(
        "a.txt",
        law,
        options(ChunkMethod::Laws, 100),
        expect![[r#"
            [] "Tea Act"
            [Chapter I / Article 1. Tea is free] "Chapter I\n\nArticle 1. Tea is free.\n\nIt stays free."
            [Chapter I / Article 2. Milk is not] "Article 2. Milk is not."
            [Chapter II / Article 3. Sugar is banned] "Chapter II\n\nArticle 3. Sugar is banned."
        "#]],
    );
}

#[test]
fn sections_of_manuals_stay_apart_and_one_is_one() {
    let page = "# Keys\n\n## a\n\nup\n\n## b\n\ndown\n";
    check(
        "a.md",
        page,
        options(ChunkMethod::Manual, 100),
        expect![[r#"
        [Keys / a] "Keys\n\n## a\n\nup"
        [Keys / b] "b\n\ndown"
    "#]],
    );
    check(
        "a.md",
        page,
        options(ChunkMethod::One, 3),
        expect![[r#"
        [] "Keys\n\n## a\n\nup\n\n## b\n\ndown"
    "#]],
    );
}

#[test]
fn an_abstract_is_whole() {
    let page = "# Abstract\n\nOne two three four five six. Seven eight nine ten.\n\nEleven twelve.\n\n# Body\n\nOne two three four five six. Seven eight nine ten.\n";
    check(
        "a.md",
        page,
        options(ChunkMethod::Paper, 10),
        expect![[r#"
        [Abstract] "Abstract\n\nOne two three four five six. Seven eight nine ten.\n\nEleven twelve."
        [Body] "Body\n\nOne two three four five six."
        [Body] "Seven eight nine ten."
    "#]],
    );
}

#[test]
fn delimiters_part_passages() {
    let joining = Delimiter { text: ";".into(), always: false };
    let parting = Delimiter { text: "@@".into(), always: true };
    let with = |delimiters: Vec<Delimiter>, max| ChunkingOptions {
        delimiters,
        ..options(ChunkMethod::Naive, max)
    };
    check(
        "a.txt",
        "one two; three four; five six",
        with(vec![joining.clone()], 6),
        expect![[r#"
            [] "one two; three four"
            [] "five six"
        "#]],
    );
    check(
        "a.txt",
        "one; two @@ three four five six seven eight",
        with(vec![joining, parting], 4),
        expect![[r#"
            [] "one; two"
            [] "three four five six seven eight"
        "#]],
    );
}

#[test]
fn parts_are_searched_in_place_of_their_chunk() {
    let children = ChildOptions { max_tokens: 5, delimiters: vec![] };
    let options = ChunkingOptions { children: Some(children), ..options(ChunkMethod::Naive, 40) };
    check(
        "a.md",
        "# Tea\n\nFirst sentence is here. Second one follows.\n\n# X\n\nno\n",
        options,
        expect![[r#"
            [Tea] "Tea\n\nFirst sentence is here. Second one follows." Parent
            [Tea] "Tea\n\nFirst sentence is" part
            [Tea] "here." part
            [Tea] "Second one follows." part
            [X] "X\n\nno"
        "#]],
    );
}

#[test]
fn pieces_of_a_table_know_what_stands_around_it() {
    let page = "Prices of the year.\n\n| drink | price |\n|---|---|\n| tea | 3 |\n| coffee | 4 |\n\nWithout tax.\n";
    let options = ChunkingOptions { table_context_tokens: 6, ..options(ChunkMethod::Naive, 16) };
    check(
        "a.md",
        page,
        options,
        expect![[r#"
        [] "Prices of the year."
        [] "| drink | price |\n|---|---|" context "Prices of the year.\nWithout tax."
        [] "| tea | 3 |\n| coffee | 4 |" context "Prices of the year.\n| drink | price |\n|---|---|\nWithout tax."
        [] "Without tax."
    "#]],
    );
}

fn methods() -> impl Strategy<Value = ChunkMethod> {
    use ChunkMethod::*;
    prop_oneof![
        Just(Naive),
        Just(Qa),
        Just(Table),
        Just(Paper),
        Just(Book),
        Just(Laws),
        Just(Manual),
        Just(Presentation),
        Just(One),
        Just(Email),
        Just(Picture),
        Just(Tag),
    ]
}

proptest! {
    #[test]
    fn chunks_of_any_method_keep_their_promises(
        document in documents(),
        method in methods(),
        max_tokens in 3_u32..60,
        delimiters in proptest::collection::vec(("[.;\n a]{1,2}", any::<bool>()), 0..3),
        children in proptest::option::of((3_u32..20, proptest::collection::vec("[.\n]", 0..2))),
    ) {
        let delimiters: Vec<Delimiter> =
            delimiters.into_iter().map(|(text, always)| Delimiter { text, always }).collect();
        let whole = delimiters.iter().any(|delimiter| delimiter.always);
        let options = ChunkingOptions {
            method,
            max_tokens,
            overlap_tokens: 2,
            children: children.map(|(max_tokens, delimiters)| ChildOptions { max_tokens, delimiters }),
            table_context_tokens: 3,
            delimiters: delimiters.clone(),
            ..ChunkingOptions::default()
        };
        let chunks = chunk(&document, &options);
        let mut covered = vec![false; document.text.len()];
        let mut ids = std::collections::HashSet::new();
        for (ordinal, chunk) in chunks.iter().enumerate() {
            prop_assert_eq!(document.text.get(chunk.span.clone()), Some(chunk.text.as_str()));
            prop_assert_eq!(chunk.ordinal as usize, ordinal);
            prop_assert!(!chunk.text.trim().is_empty());
            prop_assert!(ids.insert(chunk.id.clone()));
            let unbounded = whole || matches!(method, ChunkMethod::One | ChunkMethod::Paper);
            prop_assert!(unbounded || chunk.tokens <= max_tokens, "{:?}", chunk);
            if let Some(parent) = &chunk.parent {
                let parent = chunks.iter().find(|chunk| chunk.id == *parent).unwrap();
                prop_assert_eq!(parent.kind, ChunkKind::Parent);
                prop_assert!(parent.span.start <= chunk.span.start && chunk.span.end <= parent.span.end);
                prop_assert!(parent.ordinal < chunk.ordinal);
            }
            if chunk.kind.is_searched() {
                covered[chunk.span.clone()].fill(true);
            }
        }
        // Rows: headers are context, and tags are tags.
        let rows = matches!(method, ChunkMethod::Table | ChunkMethod::Qa | ChunkMethod::Tag);
        let parts: Vec<&str> = options.children.iter().flat_map(|c| &c.delimiters).map(String::as_str).collect();
        let delimits = |at: usize| {
            let before = |text: &str| (0..text.len()).any(|back| {
                at.checked_sub(back).and_then(|start| document.text.get(start..)).is_some_and(|rest| rest.starts_with(text))
            });
            delimiters.iter().any(|delimiter| before(&delimiter.text)) || parts.iter().any(|part| before(part))
        };
        for block in &document.blocks {
            for (offset, c) in document.block_text(block).char_indices() {
                let at = block.span.start + offset;
                prop_assert!(
                    rows || c.is_whitespace() || covered[at] || delimits(at),
                    "{:?} of {:?} is in no chunk of {:?}", c, document.block_text(block), method
                );
            }
        }
    }
}
