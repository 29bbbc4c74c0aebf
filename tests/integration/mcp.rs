//! Tools of MCP servers in a chat: the server runs them, the caller sees the answer.

use std::sync::Arc;
use std::time::Duration;

use api_server::config::{Config, McpConfig};
use reqwest::Method;
use rmcp::ServerHandler;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ErrorData, JsonObject,
    ListToolsResult, PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool,
};
use rmcp::service::{RequestContext, RoleServer};
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use serde_json::{Value, json};
use testkit::Behaviour;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::site::Site;

/// Knows when trains leave.
#[derive(Clone)]
struct Trains;

impl ServerHandler for Trains {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let schema = json!({ "type": "object", "properties": { "to": { "type": "string" } } });
        let schema: JsonObject = serde_json::from_value(schema).unwrap();
        let tool = |name: &'static str| Tool::new(name, "Trains.", schema.clone());
        Ok(ListToolsResult::with_all_items(vec![tool("next"), tool("cancel")]))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let to = request.arguments.unwrap_or_default().remove("to").unwrap_or_default();
        let text = format!("the next train to {} leaves at 9:41", to.as_str().unwrap_or("?"));
        Ok(CallToolResult::success(vec![ContentBlock::text(text)]).into())
    }
}

/// A server of trains, and a site that has it as `trains`, besides one that is not there.
struct Station {
    site: Site,
    serving: JoinHandle<()>,
}

impl Station {
    async fn start() -> Self {
        let service: StreamableHttpService<Trains, LocalSessionManager> =
            StreamableHttpService::new(
                || Ok(Trains),
                Arc::default(),
                StreamableHttpServerConfig::default(),
            );
        let router = axum::Router::new().nest_service("/mcp", service);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/mcp", listener.local_addr().unwrap());
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let change = |config: &mut Config| {
            let nowhere = "name = \"gone\"\ncommand = \"/no/such/program\"".to_owned();
            let servers = [format!("name = \"trains\"\nurl = \"{url}\""), nowhere];
            config.mcp = servers.map(|text| toml::from_str::<McpConfig>(&text).unwrap()).into();
        };
        let site = Site::start_with(&[], change).await;
        Self { site, serving }
    }

    /// The upstream asks for the train first, and then answers.
    fn script(&self) {
        let call = Behaviour::tool_call("trains__next", "{'to': 'Oslo',}");
        self.site.upstream.next(call);
        self.site.upstream.next(Behaviour::text("At 9:41."));
    }

    /// The messages of the last request to the upstream, without the first.
    fn told(&self) -> Vec<Value> {
        let requests = self.site.upstream.requests();
        let messages = &requests.last().unwrap().json()["messages"];
        messages.as_array().unwrap()[1..].to_vec()
    }

    async fn stop(self) {
        // Before the server of trains, so that its connection ends in order.
        drop(self.site.stop().await);
        self.serving.abort();
        assert!(self.serving.await.unwrap_err().is_cancelled());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dialog_runs_its_tools_and_shows_what_they_did() {
    let station = Station::start().await;
    let client = &station.site.client;
    let path = "/api/v2/dialogs/travel";
    let unknown = client.send(Method::PUT, path, &json!({ "tools": ["nowhere"] })).await;
    assert_eq!(unknown.status, 400, "{}", unknown.text);
    assert!(unknown.text.contains("no MCP server `nowhere`"), "{}", unknown.text);

    let settings = json!({ "model": "fake/m", "tools": ["trains/next"] });
    let made = client.send(Method::PUT, path, &settings).await;
    assert_eq!(made.status, 201, "{}", made.text);
    station.script();
    let asked = json!({ "question": "When does the train leave?", "stream": false });
    let turn = client.post(&format!("{path}/turns"), &asked).await.json();
    assert_eq!(turn["answer"], "At 9:41.");
    let ran = &turn["ran"][0];
    assert_eq!(ran["call"]["name"], "trains__next", "{turn}");
    assert_eq!(ran["result"]["parts"][0]["text"], "the next train to Oslo leaves at 9:41");
    let sent = station.site.upstream.requests().pop().unwrap().json();
    assert_eq!(sent["tools"].as_array().unwrap().len(), 1, "only the one that is named: {sent}");
    station.stop().await;
}

fn request(stream: bool, tools: Value) -> Value {
    json!({
        "model": "fake/m", "stream": stream, "tools": tools,
        "messages": [{ "role": "user", "content": "When does the train leave?" }],
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_tools_of_a_server_are_run_and_their_results_told_to_the_model() {
    let station = Station::start().await;
    let tools = json!([{ "type": "mcp", "server_label": "trains", "require_approval": "never" }]);
    for stream in [false, true] {
        station.script();
        let request = request(stream, tools.clone());
        let answer = station.site.client.post("/v1/chat/completions", &request).await;
        if stream {
            assert!(answer.text.contains("finish_reason\":\"stop\""), "{}", answer.text);
            assert!(!answer.text.contains("tool_calls"), "nobody sees the calls: {}", answer.text);
            assert_eq!(answer.events().last().unwrap(), "[DONE]");
        } else {
            let body = answer.json();
            let message = &body["choices"][0]["message"];
            assert_eq!(message["content"], "At 9:41.", "{body}");
            assert!(message["tool_calls"].is_null(), "{body}");
        }
        let told = station.told();
        assert_eq!(told[0]["tool_calls"][0]["function"]["name"], "trains__next");
        assert_eq!(told[1]["role"], "tool");
        assert_eq!(told[1]["content"], "the next train to Oslo leaves at 9:41");
    }
    let offered = station.site.upstream.requests()[0].json()["tools"].clone();
    let names: Vec<_> =
        offered.as_array().unwrap().iter().map(|tool| &tool["function"]["name"]).collect();
    assert_eq!(names, ["trains__next", "trains__cancel"]);
    station.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_tools_that_the_caller_allows_are_offered() {
    let station = Station::start().await;
    let own = json!({ "type": "function", "function": { "name": "look", "parameters": { "type": "object" } } });
    for allowed in [json!(["next"]), json!({ "tool_names": ["next"] })] {
        station.script();
        let mcp = json!({ "type": "mcp", "server_label": "trains", "allowed_tools": allowed });
        let request = request(false, json!([mcp, own]));
        station.site.client.post("/v1/chat/completions", &request).await;
        let requests = station.site.upstream.requests();
        let offered = requests.last().unwrap().json()["tools"].clone();
        assert_eq!(offered[0], own);
        assert_eq!(offered[1]["function"]["name"], "trains__next");
        assert_eq!(offered.as_array().unwrap().len(), 2);
    }
    station.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_of_the_callers_own_tool_comes_to_the_caller() {
    let station = Station::start().await;
    station.site.upstream.always(Behaviour::tool_call("look", "{}"));
    let own = json!({ "type": "function", "function": { "name": "look" } });
    let tools = json!([own, { "type": "mcp", "server_label": "trains" }]);
    for stream in [false, true] {
        let request = request(stream, tools.clone());
        let answer = station.site.client.post("/v1/chat/completions", &request).await;
        assert!(answer.text.contains("\"name\":\"look\""), "{}", answer.text);
        assert!(answer.text.contains("finish_reason\":\"tool_calls\""), "{}", answer.text);
    }
    station.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_with_them_names_the_field() {
    let station = Station::start().await;
    let mcp = |more: Value| {
        let mut tool = json!({ "type": "mcp", "server_label": "trains" });
        tool.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        tool
    };
    let function = json!({ "type": "function", "function": { "name": "look" } });
    for (tools, status, param) in [
        (json!([function, mcp(json!({ "server_label": "x" }))]), 400, "tools[1].server_label"),
        (json!([mcp(json!({})), mcp(json!({}))]), 400, "tools[1].server_label"),
        (json!([{ "type": "mcp" }]), 400, "tools[0]"),
        (json!([mcp(json!({ "authorization": "x" }))]), 400, "tools[0]"),
        (json!([mcp(json!({ "allowed_tools": ["fly"] }))]), 400, "tools[0].allowed_tools"),
        (json!([mcp(json!({ "require_approval": "always" }))]), 400, "tools[0].require_approval"),
        (json!([mcp(json!({ "server_label": "gone" }))]), 502, "tools[0]"),
    ] {
        for stream in [false, true] {
            let request = request(stream, tools.clone());
            let answer = station.site.client.post("/v1/chat/completions", &request).await;
            assert_eq!(answer.status, status, "{}", answer.text);
            assert_eq!(answer.json()["error"]["param"], param, "{}", answer.text);
        }
    }
    let dialog = json!({
        "model": "dialog/default", "tools": [mcp(json!({}))],
        "messages": [{ "role": "user", "content": "When?" }],
    });
    let answer = station.site.client.post("/v1/chat/completions", &dialog).await;
    assert_eq!((answer.status, &answer.json()["error"]["param"]), (400, &json!("tools")));
    assert_eq!(station.site.upstream.calls(), 0);
    station.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_at_an_address_of_the_callers_is_the_providers_to_ask() {
    let station = Station::start().await;
    station.site.upstream.always(Behaviour::text("ok"));
    let tool = json!({ "type": "mcp", "server_label": "x", "server_url": "https://mcp.example" });
    let request = request(false, json!([tool]));
    station.site.client.post("/v1/chat/completions", &request).await;
    assert_eq!(station.site.upstream.requests()[0].json()["tools"], json!([tool]));
    let ended = tokio::time::timeout(Duration::from_secs(20), station.stop()).await;
    ended.expect("a server that was never needed does not hold anything up");
}
