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

#[test]
fn nothing_of_odd_rows_is_lost() {
    let rows = "| What? | Who? | tags |\n|---|---|---|\n| goods | come back | refunds |\n|  | blank | x |\n";
    check(
        "a.md",
        rows,
        options(ChunkMethod::Tag, 100),
        expect![[r#"
        [] "What? | Who?" tags ["tags"]
        [] "goods | come back" tags ["refunds"]
        [] "|  | blank | x |"
    "#]],
    );
    let lines = "How hot?\t80 degrees.\nNot more.\nHow long?\tTwo minutes.\n";
    check(
        "a.txt",
        lines,
        options(ChunkMethod::Qa, 100),
        expect![[r#"
        [] "How hot?\t80 degrees.\nNot more." asks ["How hot?"]
        [] "How long?\tTwo minutes." asks ["How long?"]
    "#]],
    );
    let wide =
        "| a long name of a column | another long name of a column |\n|---|---|\n| 1 | 2 |\n";
    check(
        "a.md",
        wide,
        options(ChunkMethod::Table, 12),
        expect![[r#"
        [] "| a long name of a column | another long name"
        [] "of a column |"
        [] "|---|---|"
        [] "| 1 | 2 |"
    "#]],
    );
}

#[test]
fn an_answer_may_hold_a_table() {
    let page = "# How hot?\n\nAs it says:\n\n| tea | degrees |\n|---|---|\n| green | 80 |\n\n# How long?\n\nTwo minutes.\n\n# Why?\n\nTaste.\n";
    check(
        "a.md",
        page,
        options(ChunkMethod::Qa, 100),
        expect![[r#"
        [How hot?] "How hot?\n\nAs it says:\n\n| tea | degrees |\n|---|---|\n| green | 80 |" asks ["How hot?"]
        [How long?] "How long?\n\nTwo minutes." asks ["How long?"]
        [Why?] "Why?\n\nTaste." asks ["Why?"]
    "#]],
    );
}

#[test]
fn captions_go_with_every_piece_of_their_table() {
    let page = "<p>Some words.</p><figure><figcaption>Prices of 2024</figcaption><table><tr><th>drink</th><th>price</th></tr><tr><td>tea</td><td>3</td></tr><tr><td>coffee</td><td>4</td></tr><tr><td>milk</td><td>2</td></tr></table></figure>";
    check(
        "a.html",
        page,
        options(ChunkMethod::Naive, 18),
        expect![[r#"
        [] "Some words.\n\nPrices of 2024"
        [] "| drink | price |\n| --- | --- |" context "Prices of 2024"
        [] "| tea | 3 |\n| coffee | 4 |\n| milk | 2 |" context "Prices of 2024\n| drink | price |\n| --- | --- |"
    "#]],
    );
}

#[test]
fn places_are_those_of_the_parts() {
    let block = |span, page| rag_core::Block {
        kind: rag_core::BlockKind::Paragraph,
        span,
        place: rag_core::Place { page: Some(page), bounds: None },
    };
    let document = ParsedDocument {
        text: "One is here.\nTwo is there.".into(),
        blocks: vec![block(0..12, 1), block(13..26, 2)],
        ..ParsedDocument::default()
    };
    let children = ChildOptions { max_tokens: 4, delimiters: vec!["\n".into()] };
    let options = ChunkingOptions { children: Some(children), ..options(ChunkMethod::Naive, 40) };
    let pages = |chunk: &Chunk| chunk.places.iter().map(|placed| placed.place.page).collect();
    let pages: Vec<Vec<Option<u32>>> = chunk(&document, &options).iter().map(pages).collect();
    assert_eq!(pages, [vec![Some(1), Some(2)], vec![Some(1)], vec![Some(2)]]);
}

/// Every method looks at each byte a bounded number of times, whatever the document is made of: otherwise this takes
/// hours, and counts too much.
#[test]
fn time_is_linear() {
    const BYTES: usize = 150_000;
    let filled = |line: &str| line.repeat(BYTES / line.len());
    let rows = format!("| a | b |\n|---|---|\n{}", filled("| one two | three |\n"));
    let files = [
        ("lines.txt", filled("What is it?\tIt is this.\n\n")),
        ("block.txt", filled("What is it?\tIt is this.\n")),
        ("prose.txt", filled("Some words of a sentence. ")),
        ("word.txt", filled("x")),
        ("headings.md", filled("# H\n\n")),
        ("sections.md", filled("## Section 1\n\nSome text.\n\n")),
        ("rows.md", format!("{}\n\n{rows}", filled("Some words before. "))),
    ];
    for (name, text) in files {
        let parsed =
            FileParser::default().parse(&ParseRequest::new(name, text.as_bytes())).unwrap();
        for method in METHODS {
            let counted = Arc::new(std::sync::atomic::AtomicUsize::new(0));
            let bytes = counted.clone();
            let counter = move |text: &str| {
                bytes.fetch_add(text.len(), std::sync::atomic::Ordering::Relaxed);
                llm_tokens::estimate(text)
            };
            let options = ChunkingOptions {
                children: Some(ChildOptions::default()),
                table_context_tokens: 20,
                delimiters: vec![Delimiter { text: "!".into(), always: false }],
                ..options(method, 256)
            };
            let (dataset, document) = ("set".parse().unwrap(), "doc".parse().unwrap());
            let chunker = StructuralChunker::new(Arc::new(counter));
            assert!(!chunker.chunk(&dataset, &document, &parsed, &options).is_empty());
            let counted = counted.load(std::sync::atomic::Ordering::Relaxed);
            assert!(counted < 40 * text.len(), "{name} by {method:?}: {counted} bytes counted");
        }
    }
}

const METHODS: [ChunkMethod; 12] = {
    use ChunkMethod::*;
    [Naive, Qa, Table, Paper, Book, Laws, Manual, Presentation, One, Email, Picture, Tag]
};

fn methods() -> impl Strategy<Value = ChunkMethod> {
    proptest::sample::select(METHODS.to_vec())
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
        let elsewhere = |at: usize| {
            let is_mark = |c: char| "|-,".contains(c);
            let (above, below) = document.text.split_at(at);
            let line = above.rsplit('\n').next().unwrap_or_default().to_owned()
                + below.lines().next().unwrap_or_default();
            let start = above.rfind(|c: char| !c.is_ascii_lowercase()).map_or(0, |at| at + 1);
            let word: String = document.text[start..].chars().take_while(char::is_ascii_lowercase).collect();
            let is_tag = |chunk: &Chunk| chunk.tags.iter().any(|tag| tag.name.contains(&word));
            let in_context = |chunk: &Chunk| chunk.context.as_ref().is_some_and(|c| c.contains(&line));
            rows && (below.starts_with(is_mark) || chunks.iter().any(in_context) || chunks.iter().any(is_tag))
        };
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
                    c.is_whitespace() || covered[at] || delimits(at) || elsewhere(at),
                    "{:?} of {:?} is in no chunk of {:?}", c, document.block_text(block), method
                );
            }
        }
    }
}
