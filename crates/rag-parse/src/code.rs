//! Source code and configuration: a block for each item at the top of a file.

use rag_core::{Block, BlockKind, ParsedDocument, Place};

use crate::encoding::{self, Decoded};

/// File name endings and the language that they stand for, by its usual name in fenced Markdown.
const LANGUAGES: [(&str, &[&str]); 60] = [
    ("asm", &["asm", "s"]),
    ("bash", &["sh", "bash", "zsh", "ksh"]),
    ("bat", &["bat", "cmd"]),
    ("c", &["c", "h"]),
    ("clojure", &["clj", "cljs", "cljc", "edn"]),
    ("cmake", &["cmake"]),
    ("cpp", &["cc", "cpp", "cxx", "hh", "hpp", "hxx", "ino"]),
    ("csharp", &["cs"]),
    ("css", &["css"]),
    ("d", &["d"]),
    ("dart", &["dart"]),
    ("dockerfile", &["dockerfile"]),
    ("elixir", &["ex", "exs"]),
    ("elm", &["elm"]),
    ("erlang", &["erl", "hrl"]),
    ("fish", &["fish"]),
    ("fortran", &["f", "f90", "f95", "f03"]),
    ("fsharp", &["fs", "fsi", "fsx"]),
    ("go", &["go"]),
    ("graphql", &["graphql", "gql"]),
    ("groovy", &["groovy", "gradle"]),
    ("haskell", &["hs"]),
    ("hcl", &["hcl", "tf", "tfvars"]),
    ("ini", &["ini", "cfg", "conf", "properties", "env", "editorconfig"]),
    ("java", &["java"]),
    ("javascript", &["js", "mjs", "cjs", "jsx"]),
    ("julia", &["jl"]),
    ("kotlin", &["kt", "kts"]),
    ("less", &["less"]),
    ("lisp", &["lisp", "el", "lsp"]),
    ("lua", &["lua"]),
    ("makefile", &["mk", "makefile"]),
    ("nim", &["nim"]),
    ("nix", &["nix"]),
    ("objectivec", &["m", "mm"]),
    ("ocaml", &["ml", "mli"]),
    ("pascal", &["pas", "pp"]),
    ("perl", &["pl", "pm"]),
    ("php", &["php"]),
    ("powershell", &["ps1", "psm1"]),
    ("protobuf", &["proto"]),
    ("python", &["py", "pyi", "pyw"]),
    ("r", &["r"]),
    ("ruby", &["rb", "rake", "gemspec"]),
    ("rust", &["rs"]),
    ("scala", &["scala", "sbt"]),
    ("scheme", &["scm", "rkt"]),
    ("scss", &["scss", "sass"]),
    ("solidity", &["sol"]),
    ("sql", &["sql"]),
    ("svelte", &["svelte"]),
    ("swift", &["swift"]),
    ("toml", &["toml"]),
    ("typescript", &["ts", "tsx", "mts", "cts"]),
    ("vb", &["vb", "bas", "vbs"]),
    ("verilog", &["sv", "svh"]),
    ("vhdl", &["vhd", "vhdl"]),
    ("vue", &["vue"]),
    ("yaml", &["yaml", "yml"]),
    ("zig", &["zig"]),
];

/// The language of files with this ending, in lower case; also of files that are named so without one.
pub(crate) fn language(ending: &str) -> Option<&'static str> {
    LANGUAGES.iter().find(|(_, endings)| endings.contains(&ending)).map(|(language, _)| *language)
}

/// Reads source code. An item begins after an empty line, with a line that is not indented and does not close a
/// bracket: functions, classes, sections, whatever the language; comments right above belong to what follows. The text
/// is the file's.
pub(crate) fn parse(decoded: Decoded, language: &str) -> ParsedDocument {
    let blocks = blocks(&decoded.text, language);
    let warnings = encoding::warning(&decoded).into_iter().collect();
    ParsedDocument { text: decoded.text, blocks, warnings, ..ParsedDocument::default() }
}

fn blocks(text: &str, language: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let (mut position, mut after_empty) = (0, true);
    for line in text.split_inclusive('\n') {
        let start = position;
        position += line.len();
        let content = line.trim_end();
        if content.is_empty() {
            after_empty = true;
            continue;
        }
        let end = start + content.len();
        match blocks.last_mut() {
            Some(open) if !(after_empty && begins_item(content)) => open.span.end = end,
            _ => blocks.push(Block {
                kind: BlockKind::Code { language: Some(language.to_owned()) },
                span: start..end,
                place: Place::default(),
            }),
        }
        after_empty = false;
    }
    blocks
}

/// Whether a line is one that items begin with: not indented, and not the end of what is above.
fn begins_item(line: &str) -> bool {
    const ENDS: [&str; 9] =
        ["end", "else", "elif", "except", "finally", "fi", "done", "esac", "then"];
    let word: &str =
        line.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default();
    !line.starts_with([' ', '\t', '}', ')', ']']) && !ENDS.contains(&word)
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    use super::*;
    use crate::outline::{is_well_formed, outline};

    fn check(source: &str, expected: Expect) {
        let parsed = parse(encoding::decode(source.as_bytes(), None), "x");
        assert!(is_well_formed(&parsed) && parsed.text == source);
        expected.assert_eq(&outline(&parsed));
    }

    #[test]
    fn items_at_the_top_are_blocks() {
        check(
            "use a;\nuse b;\n\n/// Doc.\n#[x]\nfn f() {\n    1;\n\n    2\n}\n\n\nfn g() {\n\n}\n",
            expect![[r##"
                code x "use a;\nuse b;"
                code x "/// Doc.\n#[x]\nfn f() {\n    1;\n\n    2\n}"
                code x "fn g() {\n\n}"
            "##]],
        );
        check(
            "def f():\n    if x:\n        return 1\n\n    return 2\n\n@once\ndef g(): pass\n",
            expect![[r#"
                code x "def f():\n    if x:\n        return 1\n\n    return 2"
                code x "@once\ndef g(): pass"
            "#]],
        );
        check(
            "a:\n  b: 1\n\n  c: 2\n\nd: 3\n",
            expect![[r#"
                code x "a:\n  b: 1\n\n  c: 2"
                code x "d: 3"
            "#]],
        );
        check(
            "module A\n\nend\n\n   \n",
            expect![[r#"
            code x "module A\n\nend"
        "#]],
        );
    }

    #[test]
    fn endings_have_one_language() {
        let mut all: Vec<&str> =
            LANGUAGES.iter().flat_map(|(_, endings)| *endings).copied().collect();
        let count = all.len();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), count);
        assert_eq!((language("rs"), language("doc")), (Some("rust"), None));
    }

    proptest! {
        #[test]
        fn blocks_hold_every_line(source in "[a }\n\té]{0,60}") {
            let parsed = parse(encoding::decode(source.as_bytes(), None), "x");
            prop_assert!(is_well_formed(&parsed));
            let held: String = parsed.blocks.iter().map(|block| parsed.block_text(block)).collect();
            let squeezed = |text: &str| text.split_whitespace().collect::<String>();
            prop_assert_eq!(squeezed(&held), squeezed(&source));
        }
    }
}
