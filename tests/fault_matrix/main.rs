//! Every fault of a provider, asked for a stream and for a whole answer, through the real client and the whole stack of
//! guards: what the caller sees, how many calls reach the provider, and what is recorded. `docs/faults.md` is made of it.

mod case;
mod faults;
mod target;
mod untrusted;

use anyhow::Result;
use futures::future::{BoxFuture, try_join_all};
use futures::{FutureExt, StreamExt, stream};
use llm_bundle::RouteOptions;
use testkit::Behaviour;

use crate::case::{Asked, Seen, recorded, run};
use crate::faults::{FAULTS, Fault, answer};
use crate::target::Target;

/// Faults at once, in each part: most of their time is waiting.
const AT_ONCE: usize = 4;

/// One part of the matrix.
struct Section {
    title: &'static str,
    text: &'static str,
    continuation: bool,
    /// The targets of a row; none when the fault has no place in this part.
    targets: fn(&'static Fault) -> BoxFuture<'static, Result<Vec<Target>>>,
}

const SECTIONS: &[Section] = &[
    Section {
        title: "One target that always fails",
        text: "A call to it is tried again where that may help, and fails in the end.",
        continuation: false,
        targets: |fault| async { Ok(vec![Target::failing(fault).await?]) }.boxed(),
    },
    Section {
        title: "One target whose first call fails",
        text: "Its later calls succeed. Faults of an address are not here: they do not pass with a call.",
        continuation: false,
        targets: |fault| {
            async { Ok(Target::recovering(fault, answer()).await?.into_iter().collect()) }.boxed()
        },
    },
    Section {
        title: "Two targets, of which the first always fails",
        text: "Where another target is left, a failed call goes there at once instead of being tried again.",
        continuation: false,
        targets: |fault| {
            let second = || Target::behaving(Behaviour::text("The second says so."));
            async move { Ok(vec![Target::failing(fault).await?, second().await?]) }.boxed()
        },
    },
    Section {
        title: "Two targets that always fail",
        text: "The last failure is told.",
        continuation: false,
        targets: |fault| {
            let both = || Target::failing(fault);
            async move { Ok(vec![both().await?, both().await?]) }.boxed()
        },
    },
    Section {
        title: "Two targets, of which the second goes on where the first breaks off",
        text: "With `continuation`, which is off by default: faults in the middle of an answer.",
        continuation: true,
        targets: |fault| {
            let second = || Target::behaving(Behaviour::text("as the second says."));
            async move {
                match fault.is_half_way {
                    true => Ok(vec![Target::failing(fault).await?, second().await?]),
                    false => Ok(Vec::new()),
                }
            }
            .boxed()
        },
    },
];

/// `UPDATE_EXPECT=1 cargo test -p integration --test fault_matrix` writes it anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_table_in_the_docs_is_what_happens() -> Result<()> {
    let mut page = String::from(HEAD);
    for part in try_join_all(SECTIONS.iter().map(part)).await? {
        page.push_str(&part);
    }
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/faults.md");
    expect_test::expect_file![file].assert_eq(&page);
    Ok(())
}

/// A part of the page: its table, made by running it.
async fn part(section: &Section) -> Result<String> {
    let cases = FAULTS.iter().map(|fault| async move {
        let [streamed, whole] = Asked::BOTH.map(|asked| cells(section, fault, asked));
        let (streamed, whole) = futures::try_join!(streamed, whole)?;
        Ok(rows(fault.name, streamed, whole))
    });
    let cases: Vec<Result<String>> = stream::iter(cases).buffered(AT_ONCE).collect().await;
    let mut part = format!("\n## {}\n\n{}\n\n", section.title, section.text);
    part.push_str("| fault | asked for | the caller sees | calls | recorded |\n");
    part.push_str("|---|---|---|---|---|\n");
    for rows in cases {
        part.push_str(&rows?);
    }
    Ok(part)
}

/// What was seen of one case, as cells; `None` when the fault has no place in this part.
async fn cells(section: &Section, fault: &'static Fault, asked: Asked) -> Result<Option<String>> {
    let targets = (section.targets)(fault).await?;
    if targets.is_empty() {
        return Ok(None);
    }
    let route = RouteOptions { continuation: section.continuation, ..RouteOptions::default() };
    let Seen { caller, calls, record } = run(fault, &targets, route, asked).await?;
    let calls: Vec<String> = calls.iter().map(usize::to_string).collect();
    Ok(Some(format!("{caller} | {} | {}", calls.join(" + "), recorded(&record))))
}

/// One row when both ways of asking see the same.
fn rows(fault: &str, streamed: Option<String>, whole: Option<String>) -> String {
    let row = |asked: &str, cells: String| format!("| {fault} | {asked} | {cells} |\n");
    match (streamed, whole) {
        (Some(streamed), Some(whole)) if streamed == whole => row("either", streamed),
        (streamed, whole) => {
            let streamed = streamed.map(|cells| row(Asked::Streamed.as_str(), cells));
            let whole = whole.map(|cells| row(Asked::Whole.as_str(), cells));
            [streamed, whole].into_iter().flatten().collect()
        }
    }
}

const HEAD: &str = "\
# What a caller sees when a provider fails

Made by the test `fault_matrix` of the package `integration`, which runs each row: the client of the OpenAI dialect over
HTTP to a server that fails as told, through `Bundle` with all guards, for a stream and for a whole answer (*either* when
both see the same). *Calls* are those that reached the targets, in their order; where no connection is made, none does,
and the attempts stand in the record. Every call ends as exactly one record.

Limits here: at most two retries 10 to 20 ms apart, and at most 1 s of patience when the provider asks for it; where a
provider falls silent, 2 s to the first event of a stream, 2 s of silence, 10 s in all; otherwise the defaults.
";
