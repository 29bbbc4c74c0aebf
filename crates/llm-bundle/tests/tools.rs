//! The tool loop, as its caller and the model see it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{StreamExt, TryStreamExt, stream};
use llm_bundle::tools::{
    ToolAnswer, ToolEvent, ToolOptions, ToolSet, ToolSetBuilder, ToolSetError, as_chat,
};
use llm_bundle::{Bundle, Registry, SyncPool};
use llm_core::{
    ChatEvent, ChatModel, ChatReply, ChatRequest, ChatResponse, ErrorKind, FinishReason, Message,
    ModelError, ModelInfo, ModelKind, ModelName, Operation, Part, ReasoningDelta, Role,
    SyncToolHandler, Tool, ToolCallDelta, ToolChoice, ToolError, ToolHandler, ToolInput,
    ToolOutput, ToolResult, ToolSource, Usage,
};
use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::time::Instant;

/// Answers by a list, and remembers what it was asked.
struct Scripted {
    info: ModelInfo,
    answers: Mutex<VecDeque<Vec<ChatEvent>>>,
    asked: Arc<Mutex<Vec<ChatRequest>>>,
}

impl ChatModel for Scripted {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn chat(&self, request: ChatRequest) -> BoxFuture<'static, Result<ChatReply, ModelError>> {
        self.asked.lock().unwrap().push(request);
        let events = self.answers.lock().unwrap().pop_front();
        Box::pin(async move {
            let events = events.ok_or_else(|| {
                ModelError::new(ErrorKind::Permission, Operation::Chat, "no more answers")
            })?;
            Ok(ChatReply::new(stream::iter(events.into_iter().map(Ok))))
        })
    }
}

struct Setup {
    bundle: Bundle,
    asked: Arc<Mutex<Vec<ChatRequest>>>,
}

impl Setup {
    /// Answers, each without its end.
    fn new(answers: impl IntoIterator<Item = Vec<ChatEvent>>) -> Self {
        let answers = answers.into_iter().map(|mut events| {
            if !events.iter().any(|event| matches!(event, ChatEvent::Finished { .. })) {
                events.push(ChatEvent::finished(FinishReason::Stop));
            }
            let usage =
                Usage { input_tokens: Some(10), output_tokens: Some(1), ..Usage::default() };
            events.push(ChatEvent::Usage(usage));
            events
        });
        let asked = Arc::default();
        let model = Scripted {
            info: ModelInfo::new(ModelName::new("test", "scripted"), ModelKind::Chat),
            answers: Mutex::new(answers.collect()),
            asked: Arc::clone(&asked),
        };
        let registry = Registry::builder().chat(Arc::new(model)).build();
        Self { bundle: Bundle::new(registry), asked }
    }

    async fn chat(&self, tools: &ToolSet) -> ToolAnswer {
        self.bundle.with_tools(tools.clone()).chat(question()).await.unwrap()
    }

    /// What the model was told of its calls, in each round after the first: `name: text`, `!` before errors.
    fn told(&self) -> Vec<Vec<String>> {
        let asked = self.asked.lock().unwrap();
        let rounds = asked.iter().skip(1);
        rounds.map(|request| request.messages.last().map(results).unwrap_or_default()).collect()
    }
}

fn results(message: &Message) -> Vec<String> {
    let results = message.parts.iter().filter_map(|part| match part {
        Part::ToolResult(result) => Some(told(result)),
        _ => None,
    });
    results.collect()
}

fn told(result: &ToolResult) -> String {
    let text: String = result.parts.iter().filter_map(Part::as_text).collect();
    let mark = if result.is_error { "!" } else { "" };
    format!("{mark}{}: {text}", result.name.as_deref().unwrap_or_default())
}

fn question() -> ChatRequest {
    ChatRequest {
        model: "test/scripted".into(),
        ..ChatRequest::new(vec![Message::user("What is it?")])
    }
}

fn call(index: u32, name: &str, arguments: &str) -> ChatEvent {
    call_with_id(index, &format!("id{index}"), name, arguments)
}

fn call_with_id(index: u32, id: &str, name: &str, arguments: &str) -> ChatEvent {
    ChatEvent::ToolCall(ToolCallDelta {
        index,
        id: Some(id.into()),
        name: Some(name.into()),
        arguments: arguments.into(),
        ..ToolCallDelta::default()
    })
}

fn text(text: &str) -> Vec<ChatEvent> {
    vec![ChatEvent::text(text)]
}

type Work = dyn Fn(ToolInput) -> BoxFuture<'static, Result<ToolOutput, ToolError>> + Send + Sync;

/// A tool made of a closure.
struct Made {
    tool: Tool,
    work: Arc<Work>,
    terminal: bool,
    timeout: Option<Duration>,
}

impl ToolHandler for Made {
    fn tool(&self) -> &Tool {
        &self.tool
    }

    fn call(&self, input: ToolInput) -> BoxFuture<'static, Result<ToolOutput, ToolError>> {
        (self.work)(input)
    }

    fn terminal(&self) -> bool {
        self.terminal
    }

    fn timeout(&self) -> Option<Duration> {
        self.timeout
    }
}

fn made<F>(name: &str, work: impl Fn(ToolInput) -> F + Send + Sync + 'static) -> Made
where
    F: Future<Output = Result<ToolOutput, ToolError>> + Send + 'static,
{
    let schema = json!({ "type": "object", "properties": { "n": { "type": "integer" } } });
    Made {
        tool: Tool::function(name, "A tool.", schema),
        work: Arc::new(move |input| Box::pin(work(input))),
        terminal: false,
        timeout: None,
    }
}

fn tool(made: Made) -> ToolSetBuilder {
    ToolSet::builder().tool(Arc::new(made))
}

/// Says its number.
fn echo() -> Made {
    made("echo", async |input| Ok(ToolOutput::text(input.arguments["n"].to_string())))
}

/// Says its number, later for smaller ones.
fn slow() -> Made {
    made("slow", async |input| {
        let n = input.arguments["n"].as_u64().unwrap_or(0);
        tokio::time::sleep(Duration::from_secs(10 - n)).await;
        Ok(ToolOutput::text(n.to_string()))
    })
}

#[tokio::test]
async fn a_conversation_goes_round_until_the_model_answers() {
    let setup = Setup::new([
        vec![ChatEvent::text("Let me see."), call(0, "echo", r#"{"n": 7}"#)],
        text("It is 7."),
    ]);
    let answer = setup.chat(&tool(echo()).build().unwrap()).await;
    assert_eq!((answer.text().as_str(), answer.rounds), ("It is 7.", 2));
    assert_eq!(answer.response.usage.total_tokens(), Some(22));
    assert_eq!(setup.told(), [["echo: 7"]]);
    let roles: Vec<_> = answer.messages.iter().map(|message| message.role).collect();
    assert_eq!(roles, [Role::Assistant, Role::Tool, Role::Assistant]);
    assert_eq!(answer.messages[0].tool_calls().next().unwrap().arguments, r#"{"n": 7}"#);

    let asked = setup.asked.lock().unwrap();
    assert_eq!(asked[0].tools, [echo().tool]);
    assert_eq!(asked[1].messages[0], Message::user("What is it?"));
    assert_eq!(asked[1].messages[1..], answer.messages[..2]);
    assert!(asked.iter().all(|request| !request.stream && request.tool_choice.is_none()));
}

#[tokio::test]
async fn events_come_as_they_are_made_and_what_may_come_once_comes_once() {
    let setup = Setup::new([
        vec![
            ChatEvent::Started(Default::default()),
            call(0, "echo", "{\"n\":1}"),
            call(1, "echo", "{\"n\":2}"),
            ChatEvent::finished(FinishReason::ToolCalls),
        ],
        vec![ChatEvent::Started(Default::default()), ChatEvent::text("Done.")],
    ]);
    let chat = setup.bundle.with_tools(tool(echo()).build().unwrap());
    let events: Vec<_> = chat.chat_stream(question()).try_collect().await.unwrap();
    let shown: Vec<_> = events
        .iter()
        .map(|event| match event {
            ToolEvent::Asked { round } => format!("asked {round}"),
            ToolEvent::Model(ChatEvent::Started(_)) => "started".into(),
            ToolEvent::Model(ChatEvent::ToolCall(delta)) => format!("delta {}", delta.index),
            ToolEvent::Model(ChatEvent::Text { text, .. }) => text.clone(),
            ToolEvent::Model(ChatEvent::Usage(usage)) => format!("{:?}", usage.total_tokens()),
            ToolEvent::Model(ChatEvent::Finished { reason, .. }) => format!("{reason:?}"),
            ToolEvent::Called { call } => format!("called {}", call.id),
            ToolEvent::Returned { result, .. } => format!("returned {}", result.call_id),
            ToolEvent::Done(answer) => format!("done {}", answer.text()),
            other => format!("{other:?}"),
        })
        .collect();
    assert_eq!(
        shown,
        [
            "asked 1",
            "started",
            "delta 0",
            "delta 1",
            "Some(11)",
            "called id0",
            "called id1",
            "returned id0",
            "returned id1",
            "asked 2",
            "Done.",
            "Some(22)",
            "Stop",
            "done Done.",
        ]
    );
    assert!(setup.asked.lock().unwrap().iter().all(|request| request.stream));
}

#[tokio::test(start_paused = true)]
async fn calls_run_side_by_side_a_few_at_once_and_are_told_in_their_order() {
    let calls = (0..6).map(|n| call(n, "slow", &format!("{{\"n\":{n}}}"))).collect();
    let setup = Setup::new([calls, text("ok")]);
    let begun = Instant::now();
    let tools = tool(slow()).build().unwrap();
    let options = ToolOptions { parallel: 3, max_calls: 5, ..ToolOptions::default() };
    let chat = setup.bundle.with_tools(tools).with_options(options);
    let mut returned = Vec::new();
    let mut reply = chat.chat_stream(question());
    while let Some(event) = reply.try_next().await.unwrap() {
        if let ToolEvent::Returned { result, took } = event {
            returned.push((result.call_id, took.as_secs()));
        }
    }
    // 10, 9 and 8 seconds; then 7 and 6 on the places of the last two.
    assert_eq!(begun.elapsed().as_secs(), 15);
    let order: Vec<_> = returned.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(order, ["id2", "id1", "id0", "id5", "id3", "id4"]);
    assert_eq!(returned[0].1, 8);
    let more = "!slow: not run: at most 5 calls at once; ask again for the rest";
    assert_eq!(setup.told(), [["slow: 0", "slow: 1", "slow: 2", "slow: 3", "slow: 4", more]]);
}

#[tokio::test(start_paused = true)]
async fn whatever_goes_wrong_with_a_tool_is_told_to_the_model() {
    let failing = made("failing", async |_| {
        Err(ToolError::new("the office is closed").with_source(std::io::Error::other("hush")))
    });
    let erring = made("erring", async |_| {
        Ok(ToolOutput { is_error: true, ..ToolOutput::text("no such city") })
    });
    let panicking = made("panicking", async |_| panic!("a defect"));
    let hanging = Made {
        timeout: Some(Duration::from_secs(3)),
        ..made("hanging", async |_| std::future::pending().await)
    };
    let hanging_long = made("hanging_long", async |_| std::future::pending().await);
    let tools = tool(failing).tool(Arc::new(erring)).tool(Arc::new(panicking));
    let tools = tools.tool(Arc::new(hanging)).tool(Arc::new(hanging_long)).tool(Arc::new(echo()));
    let setup = Setup::new([
        vec![
            call(0, "failing", "{}"),
            call(1, "erring", ""),
            call(2, "panicking", "{}"),
            call(3, "hanging", "{}"),
            call(4, "hanging_long", "{}"),
            call(5, "failng", "{}"),
            call(6, "x", "{}"),
            call(7, "echo", r#"{"n": "many"}"#),
            call(8, "echo", "{n: '8',}"),
        ],
        text("Sorry."),
    ]);
    let begun = Instant::now();
    let answer = setup.chat(&tools.build().unwrap()).await;
    assert_eq!((answer.text().as_str(), begun.elapsed().as_secs()), ("Sorry.", 60));
    assert_eq!(
        setup.told(),
        [[
            "!failing: the office is closed",
            "!erring: no such city",
            "!panicking: the tool failed",
            "!hanging: the tool did not answer within 3 s",
            "!hanging_long: the tool did not answer within 60 s",
            "!failng: there is no tool `failng`; did you mean `failing`?",
            "!x: there is no tool `x`",
            "!echo: the arguments do not fit: `n` must be integer, not string",
            "echo: 8",
        ]]
    );
}

#[tokio::test]
async fn the_last_round_has_no_tools_and_its_calls_do_not_count() {
    let asks = || vec![call(0, "echo", "{}")];
    let tools = tool(echo()).build().unwrap();
    let options = ToolOptions { max_rounds: 3, ..ToolOptions::default() };
    let setup = Setup::new([asks(), asks(), text("enough")]);
    let chat = setup.bundle.with_tools(tools.clone()).with_options(options.clone());
    assert_eq!(chat.chat(question()).await.unwrap().text(), "enough");
    let choices: Vec<_> =
        setup.asked.lock().unwrap().iter().map(|asked| asked.tool_choice.clone()).collect();
    assert_eq!(choices, [None, None, Some(ToolChoice::None)]);

    let stubborn = Setup::new([asks(), asks(), asks()]);
    let chat = stubborn.bundle.with_tools(tools).with_options(options);
    let answer = chat.chat(question()).await.unwrap();
    assert_eq!(answer.response.choices[0].finish, FinishReason::Length);
    assert_eq!(answer.response.warnings[0].code, "tool_rounds");
    assert_eq!(answer.messages.last().unwrap().tool_calls().count(), 0);
}

#[tokio::test]
async fn a_demand_for_a_tool_is_made_once() {
    for (demanded, then) in [
        (ToolChoice::Required, ToolChoice::Auto),
        (ToolChoice::Function("echo".into()), ToolChoice::Auto),
        (
            ToolChoice::Allowed { names: vec!["echo".into()], required: true },
            ToolChoice::Allowed { names: vec!["echo".into()], required: false },
        ),
        (ToolChoice::Auto, ToolChoice::Auto),
    ] {
        let setup = Setup::new([vec![call(0, "echo", "{}")], text("ok")]);
        let request = ChatRequest { tool_choice: Some(demanded.clone()), ..question() };
        let chat = setup.bundle.with_tools(tool(echo()).build().unwrap());
        chat.chat(request).await.unwrap();
        let asked = setup.asked.lock().unwrap();
        assert_eq!(asked[0].tool_choice, Some(demanded));
        assert_eq!(asked[1].tool_choice, Some(then));
    }
}

#[tokio::test]
async fn what_a_terminal_tool_says_is_the_answer() {
    let say = || {
        made("say", async |input| match input.arguments["n"].as_i64() {
            Some(n) => Ok(ToolOutput::text(format!("The answer is {n}."))),
            None => Err(ToolError::new("which?")),
        })
    };
    let say = || Made { terminal: true, ..say() };
    let setup =
        Setup::new([vec![call(0, "say", "{}")], vec![call(0, "say", r#"{"n": 42}"#)], text("no")]);
    let chat = setup.bundle.with_tools(tool(say()).build().unwrap());
    let reply = as_chat(chat.chat_stream(question()));
    assert_eq!(ChatResponse::collect(reply).await.unwrap().text(), "The answer is 42.");
    assert_eq!(setup.asked.lock().unwrap().len(), 2, "an error is no answer");

    let setup = Setup::new([vec![call(0, "say", r#"{"n": 1}"#)]]);
    let answer = setup.chat(&tool(say()).build().unwrap()).await;
    assert_eq!(answer.response.choices[0].finish, FinishReason::Stop);
    assert_eq!(answer.messages.last().unwrap(), &Message::assistant("The answer is 1."));
}

#[tokio::test]
async fn calls_of_the_callers_own_tools_end_the_loop_with_them() {
    let own = Tool::function("open_door", "Opens the door.", json!({ "type": "object" }));
    let request = ChatRequest { tools: vec![own.clone()], ..question() };
    let script = || {
        Setup::new([
            vec![call(0, "echo", "{}")],
            vec![call(0, "echo", "{}"), call(1, "open_door", "{}")],
        ])
    };
    let setup = script();
    let chat = setup.bundle.with_tools(tool(echo()).build().unwrap());
    let answer = chat.chat(request.clone()).await.unwrap();
    assert_eq!(answer.left.len(), 1);
    assert_eq!(answer.response.choices[0].finish, FinishReason::ToolCalls);
    let last: Vec<_> = answer.messages.last().unwrap().tool_calls().map(|c| &c.name).collect();
    assert_eq!(last, ["open_door"]);
    assert_eq!(setup.asked.lock().unwrap()[0].tools, [own, echo().tool]);

    let setup = script();
    let chat = setup.bundle.with_tools(tool(echo()).build().unwrap());
    let whole = ChatResponse::collect(as_chat(chat.chat_stream(request))).await.unwrap();
    let names: Vec<_> = whole.choices[0].message.tool_calls().map(|c| &c.name).collect();
    assert_eq!(names, ["open_door"], "nobody sees the calls that were run");
    assert_eq!(whole.choices[0].finish, FinishReason::ToolCalls);
}

#[tokio::test]
async fn tools_that_the_provider_runs_pass_untouched() {
    let search = Tool::Provider { dialect: "anthropic".into(), value: json!({ "type": "search" }) };
    let request = ChatRequest { tools: vec![search.clone()], ..question() };
    let block = ChatEvent::Block { choice: 0, dialect: "anthropic".into(), value: json!(1) };
    let setup = Setup::new([
        vec![block.clone(), ChatEvent::finished(FinishReason::Paused)],
        vec![ChatEvent::text("found")],
    ]);
    let chat = setup.bundle.with_tools(tool(echo()).build().unwrap());
    let answer = chat.chat(request).await.unwrap();
    assert_eq!((answer.text().as_str(), answer.rounds), ("found", 2));
    let asked = setup.asked.lock().unwrap();
    assert_eq!(asked[0].tools, [search, echo().tool]);
    let other = Part::Other { dialect: "anthropic".into(), value: json!(1) };
    assert_eq!(asked[1].messages.last().unwrap().parts, [other], "it goes on where it paused");
}

#[tokio::test]
async fn missing_and_repeated_ids_are_made_unique() {
    let n = |n: u8| format!("{{\"n\":{n}}}");
    let setup = Setup::new([
        vec![
            call_with_id(0, "", "echo", &n(0)),
            call_with_id(1, "a", "echo", &n(1)),
            call_with_id(2, "a", "echo", &n(2)),
        ],
        text("ok"),
    ]);
    let answer = setup.chat(&tool(echo()).build().unwrap()).await;
    let asked: Vec<_> = answer.messages[0].tool_calls().map(|call| call.id.as_str()).collect();
    assert_eq!(asked, ["call_1_0", "a", "call_1_2"]);
    let told = answer.messages[1].parts.iter().map(|part| match part {
        Part::ToolResult(result) => result.call_id.as_str(),
        other => panic!("{other:?}"),
    });
    assert_eq!(told.collect::<Vec<_>>(), asked);
}

#[tokio::test]
async fn long_results_are_cut() {
    let long = made("long", async |_| Ok(ToolOutput::text("x".repeat(1_000))));
    let setup = Setup::new([vec![call(0, "long", "{}")], text("ok")]);
    let options = ToolOptions { result_text_bytes: 3, ..ToolOptions::default() };
    let chat = setup.bundle.with_tools(tool(long).build().unwrap()).with_options(options);
    chat.chat(question()).await.unwrap();
    let note = "[the output was cut: 997 more bytes; ask for less]";
    assert_eq!(setup.told(), [[format!("long: xxx\n{note}")]]);
}

#[tokio::test]
async fn arguments_that_the_output_limit_cut_are_not_completed() {
    let cut = ChatEvent::finished(FinishReason::Length);
    let setup = Setup::new([vec![call(0, "echo", "{\"n\": 12"), cut], text("ok")]);
    setup.chat(&tool(echo()).build().unwrap()).await;
    assert!(setup.told()[0][0].contains("cut off by the output limit"), "{:?}", setup.told());
}

#[tokio::test]
async fn an_answer_that_a_policy_stopped_runs_nothing() {
    let stopped = ChatEvent::finished(FinishReason::ContentFilter);
    let setup = Setup::new([vec![call(0, "echo", "{}"), stopped], text("no")]);
    let answer = setup.chat(&tool(echo()).build().unwrap()).await;
    assert_eq!(answer.response.choices[0].finish, FinishReason::ContentFilter);
    assert_eq!((answer.rounds, answer.messages[0].tool_calls().count()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn all_rounds_together_have_a_deadline() {
    let setup = Setup::new((0..10).map(|_| vec![call(0, "slow", "{}")]));
    let options = ToolOptions { deadline: Duration::from_secs(25), ..ToolOptions::default() };
    let chat = setup.bundle.with_tools(tool(slow()).build().unwrap()).with_options(options);
    let begun = Instant::now();
    let error = chat.chat(question()).await.unwrap_err();
    assert_eq!((error.kind(), begun.elapsed().as_secs()), (ErrorKind::Timeout, 25));

    let forever = ToolOptions { deadline: Duration::MAX, ..ToolOptions::default() };
    let setup = Setup::new([text("ok")]);
    let chat = setup.bundle.with_tools(ToolSet::default()).with_options(forever);
    assert_eq!(chat.chat(question()).await.unwrap().text(), "ok");
}

#[tokio::test]
async fn a_failure_of_the_model_in_a_later_round_is_the_failure() {
    let setup = Setup::new([vec![call(0, "echo", "{}")]]);
    let chat = setup.bundle.with_tools(tool(echo()).build().unwrap());
    let events: Vec<_> = chat.chat_stream(question()).collect().await;
    let error = events.last().unwrap().as_ref().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Permission);
    assert_eq!(events.iter().filter(|event| event.is_err()).count(), 1);
}

/// Counts those of its kind that are alive.
struct Alive(Arc<AtomicUsize>);

impl Alive {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count.clone())
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn leaving_cancels_what_runs() {
    let alive = Arc::new(AtomicUsize::new(0));
    let count = alive.clone();
    let hanging = made("hanging", move |_| {
        let alive = Alive::new(&count);
        async move {
            let _alive = alive;
            std::future::pending().await
        }
    });
    let setup = Setup::new([vec![call(0, "hanging", "{}"), call(1, "hanging", "{}")]]);
    let chat = setup.bundle.with_tools(tool(hanging).build().unwrap());
    let mut reply = chat.chat_stream(question());
    while alive.load(Ordering::SeqCst) < 2 {
        assert!(futures::poll!(reply.next()).is_ready() || alive.load(Ordering::SeqCst) == 2);
        tokio::task::yield_now().await;
    }
    drop(reply);
    assert_eq!(alive.load(Ordering::SeqCst), 0);
}

/// Says on which thread it ran; waits for a token first.
struct OnThread {
    tool: Tool,
    ran: Arc<AtomicUsize>,
    gate: Mutex<std::sync::mpsc::Receiver<()>>,
}

impl SyncToolHandler for OnThread {
    fn tool(&self) -> &Tool {
        &self.tool
    }

    fn call(&self, input: ToolInput) -> Result<ToolOutput, ToolError> {
        self.ran.fetch_add(1, Ordering::SeqCst);
        self.gate.lock().unwrap().recv_timeout(Duration::from_secs(10)).unwrap();
        if input.arguments["n"] == 13 {
            panic!("a defect");
        }
        Ok(ToolOutput::text(std::thread::current().name().unwrap_or_default()))
    }
}

fn on_thread() -> (Arc<OnThread>, std::sync::mpsc::Sender<()>) {
    let (open, gate) = std::sync::mpsc::channel();
    let tool = Tool::function("thread", "Tells its thread.", Value::Null);
    (Arc::new(OnThread { tool, ran: Arc::default(), gate: Mutex::new(gate) }), open)
}

#[tokio::test]
async fn synchronous_tools_run_on_their_pool() {
    let pool = SyncPool::builder().name("tools").threads(1).build().unwrap();
    let (thread, open) = on_thread();
    let tools = ToolSet::builder().sync_tool(thread, &pool).build().unwrap();
    let setup = Setup::new([
        vec![call(0, "thread", "{}"), call(1, "thread", "{\"n\":13}"), call(2, "thread", "")],
        text("ok"),
    ]);
    (0..3).for_each(|_| open.send(()).unwrap());
    setup.chat(&tools).await;
    assert_eq!(setup.told(), [["thread: tools-0", "!thread: the tool failed", "thread: tools-0"]]);
    pool.shutdown(Duration::from_secs(10)).await.unwrap();
}

#[tokio::test]
async fn leaving_takes_queued_synchronous_calls_out() {
    let pool = SyncPool::builder().name("tools").threads(1).build().unwrap();
    let (thread, open) = on_thread();
    let ran = thread.ran.clone();
    let tools = ToolSet::builder().sync_tool(thread, &pool).build().unwrap();
    let setup = Setup::new([vec![call(0, "thread", ""), call(1, "thread", "")]]);
    let mut reply = setup.bundle.with_tools(tools).chat_stream(question());
    while ran.load(Ordering::SeqCst) == 0 || pool.status().queued == 0 {
        assert!(!matches!(futures::poll!(reply.next()), std::task::Poll::Ready(None)));
        tokio::task::yield_now().await;
    }
    drop(reply);
    assert_eq!((pool.status().skipped, pool.status().running), (1, 1));
    open.send(()).unwrap();
    pool.shutdown(Duration::from_secs(10)).await.unwrap();
    assert_eq!(ran.load(Ordering::SeqCst), 1);
}

/// Has the tools that it was given, or none at all.
struct Listed(Option<Vec<&'static str>>);

impl ToolSource for Listed {
    fn name(&self) -> &str {
        "office"
    }

    fn tools(&self) -> BoxFuture<'static, Result<Vec<Arc<dyn ToolHandler>>, ToolError>> {
        let names = self.0.clone();
        Box::pin(async move {
            let names = names.ok_or_else(|| ToolError::new("it is closed"))?;
            let named = |name| Arc::new(made(name, async |_| Ok(ToolOutput::text("listed")))) as _;
            Ok(names.into_iter().map(named).collect())
        })
    }
}

#[tokio::test]
async fn sources_are_asked_when_a_conversation_begins() {
    let listed = Arc::new(Listed(Some(vec!["other", "echo", "not a name"])));
    let setup = Setup::new([vec![call(0, "other", ""), call(1, "echo", "{\"n\":1}")], text("ok")]);
    setup.chat(&tool(echo()).source(listed).build().unwrap()).await;
    assert_eq!(setup.told(), [["other: listed", "echo: 1"]], "a name that is taken stays");
    assert_eq!(setup.asked.lock().unwrap()[0].tools.len(), 2);

    let closed = ToolSet::builder().source(Arc::new(Listed(None))).build().unwrap();
    let error = setup.bundle.with_tools(closed).chat(question()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Upstream);
    assert_eq!(error.message(), "the tools of `office` cannot be listed: it is closed");
}

#[tokio::test]
async fn what_cannot_be_offered_is_refused() {
    let named = |name: &str| tool(made(name, async |_| Ok(ToolOutput::default())));
    let twice = named("a").tool(Arc::new(echo())).tool(Arc::new(echo())).build();
    assert_eq!(twice.unwrap_err(), ToolSetError::Twice { name: "echo".into() });
    for name in ["", "a b", "ä", &"x".repeat(65)] {
        let error = named(name).build().unwrap_err();
        assert_eq!(error, ToolSetError::Name { name: name.into() });
    }
    let provider =
        Made { tool: Tool::Provider { dialect: "openai".into(), value: json!({}) }, ..echo() };
    assert_eq!(tool(provider).build().unwrap_err(), ToolSetError::NotAFunction);

    let setup = Setup::new([]);
    let chat = setup.bundle.with_tools(tool(echo()).build().unwrap());
    for (request, param) in [
        (ChatRequest { n: Some(2), ..question() }, "n"),
        (ChatRequest { tools: vec![echo().tool], ..question() }, "tools"),
    ] {
        let error = chat.chat(request).await.unwrap_err();
        assert_eq!((error.kind(), error.param()), (ErrorKind::InvalidRequest, Some(param)));
    }
}

#[tokio::test]
async fn as_an_answer_of_one_model_its_rounds_are_apart() {
    let think = |text: &str| ChatEvent::Reasoning(ReasoningDelta::text(text));
    let setup = Setup::new([
        vec![
            think("hm"),
            ChatEvent::text("Let me "),
            ChatEvent::text("look."),
            call(0, "echo", ""),
        ],
        vec![think("so"), call(0, "echo", "")],
        text("It is null."),
    ]);
    let chat = setup.bundle.with_tools(tool(echo()).build().unwrap());
    let reply = as_chat(chat.chat_stream(question()));
    let whole = ChatResponse::collect(reply).await.unwrap();
    assert_eq!(whole.text(), "Let me look.\n\nIt is null.");
    assert_eq!(whole.choices.len(), 1);
    let parts = &whole.choices[0].message.parts;
    let thoughts: Vec<_> = parts
        .iter()
        .filter_map(|part| match part {
            Part::Reasoning(block) => Some(block.text.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(thoughts, ["hm", "so"]);
    assert_eq!((whole.usage.total_tokens(), parts.len()), (Some(33), 4));
}

/// Answers of a model that does as it likes: calls of tools that there are, that fail, that nobody knows, with the same
/// id, with broken arguments.
fn any_answer() -> impl Strategy<Value = Vec<ChatEvent>> {
    let name = prop::sample::select(vec!["echo", "failing", "unknown", "open_door", ""]);
    let id = prop::sample::select(vec!["a", "b", ""]);
    let arguments = prop::sample::select(vec!["{}", "", "{n: 1", "[]", "no"]);
    let finish = prop::sample::select(vec![
        FinishReason::Stop,
        FinishReason::ToolCalls,
        FinishReason::Length,
        FinishReason::Paused,
        FinishReason::ContentFilter,
    ]);
    let calls = prop::collection::vec((id, name, arguments), 0..4);
    (any::<bool>(), calls, finish).prop_map(|(speaks, calls, finish)| {
        let mut events = if speaks { text("Well.") } else { Vec::new() };
        let calls = (0..).zip(calls);
        events
            .extend(calls.map(|(at, (id, name, arguments))| call_with_id(at, id, name, arguments)));
        events.push(ChatEvent::finished(finish));
        events
    })
}

/// Every call of a message is answered once by the next one, in order; nothing is answered that was not asked.
fn check_conversation(answer: &ToolAnswer) {
    let mut messages = answer.messages.iter().peekable();
    while let Some(message) = messages.next() {
        let asked: Vec<_> = message.tool_calls().map(|call| call.id.clone()).collect();
        let is_left = messages.peek().is_none() && !answer.left.is_empty();
        match (asked.is_empty(), is_left) {
            (true, _) => assert_eq!(message.role, Role::Assistant),
            (false, true) => assert_eq!(asked.len(), answer.left.len()),
            (false, false) => {
                let told = messages.next().expect("calls are answered");
                let told = told.parts.iter().map(|part| match part {
                    Part::ToolResult(result) => result.call_id.clone(),
                    other => panic!("{other:?}"),
                });
                assert_eq!(told.collect::<Vec<_>>(), asked);
            }
        }
    }
    assert_eq!(answer.messages.last().unwrap().role, Role::Assistant);
}

proptest! {
    #[test]
    fn whatever_a_model_does_the_conversation_stays_in_order(
        answers in prop::collection::vec(any_answer(), 5),
        has_own in any::<bool>(),
        rounds in 1..5_u32,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let setup = Setup::new(answers);
            let failing = made("failing", async |_| Err(ToolError::new("no")));
            let tools = tool(echo()).tool(Arc::new(failing)).build().unwrap();
            let own = Tool::function("open_door", "Opens the door.", json!({ "type": "object" }));
            let request =
                ChatRequest { tools: has_own.then_some(own).into_iter().collect(), ..question() };
            let options = ToolOptions { max_rounds: rounds, ..ToolOptions::default() };
            let chat = setup.bundle.with_tools(tools).with_options(options);
            let events: Vec<_> = chat.chat_stream(request.clone()).collect().await;
            let Some(Ok(ToolEvent::Done(answer))) = events.last() else {
                panic!("{:?}", events.last());
            };
            check_conversation(answer);
            assert!(answer.rounds <= rounds);
            assert_eq!(answer.response.usage.total_tokens(), Some(11 * u64::from(answer.rounds)));
            assert_eq!(setup.asked.lock().unwrap().len(), answer.rounds as usize);
            let ends = events.iter().filter(|event| {
                matches!(event, Ok(ToolEvent::Model(ChatEvent::Finished { .. })))
            });
            assert_eq!(ends.count(), 1);
            let called = events.iter().filter(|event| matches!(event, Ok(ToolEvent::Called { .. })));
            let returned =
                events.iter().filter(|event| matches!(event, Ok(ToolEvent::Returned { .. })));
            assert_eq!(called.count(), returned.count());
        });
    }
}
