//! The MCP servers of the configuration, and the tools of requests that mean them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::future::join_all;
use llm_bundle::tools::{ToolSet, ToolSetBuilder};
use llm_core::{ChatRequest, ErrorKind, ModelError, Operation, Tool};
use llm_mcp::{McpServer, McpTool};
use serde::Deserialize;
use serde_json::Value;

use crate::config::{ConfigError, Environment, McpConfig};

/// The servers, by name. None is connected to before it is needed.
#[derive(Debug, Default)]
pub(crate) struct McpServers(BTreeMap<String, McpServer>);

/// A tool of a request that means one of our servers: the shape of OpenAI's responses, without what a stranger's server
/// needs.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Meant {
    #[serde(rename = "type")]
    _kind: String,
    server_label: String,
    #[serde(default)]
    allowed_tools: Option<Allowed>,
    #[serde(default)]
    require_approval: Option<Value>,
    #[serde(default, rename = "server_description")]
    _description: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Allowed {
    Names(Vec<String>),
    Filter { tool_names: Vec<String> },
}

impl McpServers {
    /// The servers of the configuration.
    ///
    /// # Errors
    /// One that cannot be used, or whose name is taken.
    pub(crate) fn new(
        configured: &[McpConfig],
        environment: &Environment,
    ) -> Result<Self, ConfigError> {
        let mut servers = BTreeMap::new();
        for config in configured {
            let fail = |reason| ConfigError::new(format!("[[mcp]] `{}`", config.name), reason);
            let server = config.server(environment).map_err(fail)?;
            if servers.insert(config.name.clone(), server).is_some() {
                return Err(fail("is there twice".into()));
            }
        }
        Ok(Self(servers))
    }

    /// Takes the tools that mean our servers out of the request; `None` when there are none. Those that name the address
    /// of another server are the provider's to run, and stay.
    ///
    /// # Errors
    /// `InvalidRequest` that names the field, for an unknown server or tool and for what is not done here; `Upstream` when
    /// a server cannot list its tools.
    pub(crate) async fn take(
        &self,
        request: &mut ChatRequest,
    ) -> Result<Option<ToolSet>, ModelError> {
        let mut taken = BTreeMap::new();
        for (at, tool) in request.tools.iter().enumerate() {
            if let Some(value) = means_ours(tool) {
                taken.insert(at, meant(value, at)?);
            }
        }
        if taken.is_empty() {
            return Ok(None);
        }
        let mut tools = ToolSet::builder();
        let mut labels = BTreeSet::new();
        for (at, meant) in &taken {
            if !labels.insert(meant.server_label.as_str()) {
                return Err(invalid(format!("tools[{at}].server_label"), "is there twice"));
            }
            tools = self.with_server(tools, meant, *at).await?;
        }
        let tools = tools.build();
        let tools = tools.map_err(|error| invalid("tools".into(), &error.to_string()))?;
        let mut at = 0..;
        request.tools.retain(|_| at.next().is_some_and(|at: usize| !taken.contains_key(&at)));
        Ok(Some(tools))
    }

    /// The tools that a dialog names: all of a server by its name, or one as `SERVER/TOOL`. `None` when it names none.
    ///
    /// # Errors
    /// As [`take`](Self::take).
    pub(crate) async fn of_dialog(&self, named: &[String]) -> Result<Option<ToolSet>, ModelError> {
        if named.is_empty() {
            return Ok(None);
        }
        let mut servers: BTreeMap<&str, Option<Vec<String>>> = BTreeMap::new();
        for name in named {
            match name.split_once('/') {
                None => {
                    servers.insert(name, None);
                }
                Some((server, tool)) => {
                    if let Some(tools) = servers.entry(server).or_insert_with(|| Some(Vec::new())) {
                        tools.push(tool.to_owned());
                    }
                }
            }
        }
        let mut tools = ToolSet::builder();
        for (at, (server, allowed)) in servers.into_iter().enumerate() {
            let meant = Meant {
                _kind: "mcp".into(),
                server_label: server.to_owned(),
                allowed_tools: allowed.map(Allowed::Names),
                require_approval: None,
                _description: None,
            };
            tools = self.with_server(tools, &meant, at).await?;
        }
        let tools = tools.build();
        tools.map(Some).map_err(|error| invalid("tools".into(), &error.to_string()))
    }

    /// Whether there is a server for what a dialog names.
    pub(crate) fn knows(&self, named: &str) -> bool {
        let server = named.split_once('/').map_or(named, |(server, _)| server);
        self.0.contains_key(server)
    }

    /// Ends all connections.
    pub(crate) async fn close(&self) {
        join_all(self.0.values().map(McpServer::close)).await;
    }

    async fn with_server(
        &self,
        tools: ToolSetBuilder,
        meant: &Meant,
        at: usize,
    ) -> Result<ToolSetBuilder, ModelError> {
        let server = self.0.get(&meant.server_label).ok_or_else(|| {
            let problem = format!("names no MCP server of this configuration: {}", self.names());
            invalid(format!("tools[{at}].server_label"), &problem)
        })?;
        let listed = server.list().await.map_err(|error| {
            ModelError::new(ErrorKind::Upstream, Operation::Chat, error.to_string())
                .with_param(format!("tools[{at}]"))
                .with_source(error)
        })?;
        let chosen = chosen(listed, meant.allowed_tools.as_ref()).map_err(|name| {
            let problem = format!("names `{name}`, which the MCP server does not have");
            invalid(format!("tools[{at}].allowed_tools"), &problem)
        })?;
        Ok(chosen.into_iter().fold(tools, |tools, tool| tools.tool(Arc::new(tool))))
    }

    fn names(&self) -> String {
        match self.0.is_empty() {
            true => "there are none".into(),
            false => self.0.keys().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "),
        }
    }
}

/// The tool's value, if it means a server of ours and not one at an address.
fn means_ours(tool: &Tool) -> Option<&Value> {
    let Tool::Provider { value, .. } = tool else { return None };
    let is_elsewhere = value.get("server_url").or(value.get("connector_id")).is_some();
    (value.get("type")? == "mcp" && !is_elsewhere).then_some(value)
}

fn meant(value: &Value, at: usize) -> Result<Meant, ModelError> {
    let meant: Meant = serde_json::from_value(value.clone())
        .map_err(|error| invalid(format!("tools[{at}]"), &format!("is not in order: {error}")))?;
    let asks = meant.require_approval.as_ref().is_some_and(|approval| approval != "never");
    match asks {
        true => {
            let problem = "must be `never`: tools of configured servers run without approval";
            Err(invalid(format!("tools[{at}].require_approval"), problem))
        }
        false => Ok(meant),
    }
}

/// The tools that are allowed; `Err` names one that there is not.
fn chosen(listed: Vec<McpTool>, allowed: Option<&Allowed>) -> Result<Vec<McpTool>, String> {
    let names = match allowed {
        None => return Ok(listed),
        Some(Allowed::Names(names) | Allowed::Filter { tool_names: names }) => names,
    };
    let is_there = |name: &&String| listed.iter().any(|tool| tool.remote_name() == *name);
    if let Some(unknown) = names.iter().find(|name| !is_there(name)) {
        return Err(unknown.chars().take(64).collect());
    }
    let is_named = |tool: &McpTool| names.iter().any(|name| name == tool.remote_name());
    Ok(listed.into_iter().filter(is_named).collect())
}

fn invalid(param: String, problem: &str) -> ModelError {
    let message = format!("`{param}` {problem}");
    ModelError::new(ErrorKind::InvalidRequest, Operation::Chat, message).with_param(param)
}
