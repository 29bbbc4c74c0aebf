//! A server's list of tools, brought into bounds.

use std::collections::BTreeSet;

use llm_core::Tool;
use rmcp::model::{PaginatedRequestParams, Tool as Listed};
use rmcp::service::{Peer, RoleClient, ServiceError};
use serde_json::Value;

use crate::name::offered;

/// A list with more pages than this is not read on.
const MOST_PAGES: usize = 64;

/// A tool whose description and schema are longer together is left out; it would fill the model's context.
const MOST_BYTES: usize = 64 << 10;

/// A tool of a server.
#[derive(Debug)]
pub(crate) struct Described {
    /// As it is on offer.
    pub(crate) tool: Tool,
    /// What the server calls it.
    pub(crate) remote_name: String,
}

/// Asks for all pages, up to `most` tools.
pub(crate) async fn list(
    peer: &Peer<RoleClient>,
    server: &str,
    most: usize,
) -> Result<Vec<Described>, ServiceError> {
    let mut listed = Vec::new();
    let mut cursor = None;
    for _ in 0..MOST_PAGES {
        let page = PaginatedRequestParams::default().with_cursor(cursor);
        let page = peer.list_tools(Some(page)).await?;
        listed.extend(page.tools);
        cursor = page.next_cursor;
        if cursor.is_none() || listed.len() >= most {
            break;
        }
    }
    if cursor.is_some() || listed.len() > most {
        tracing::warn!(server, most, "an MCP server lists more tools than are taken");
    }
    listed.truncate(most);
    Ok(described(server, listed))
}

fn described(server: &str, listed: Vec<Listed>) -> Vec<Described> {
    let mut names = BTreeSet::new();
    let mut tools = Vec::with_capacity(listed.len());
    for tool in listed {
        let schema = Value::Object(tool.input_schema.as_ref().clone());
        let description = tool.description.unwrap_or_default().into_owned();
        let bytes = description.len() + schema.to_string().len();
        if bytes > MOST_BYTES {
            tracing::warn!(server, tool = %tool.name, bytes, "an MCP tool is left out: its description is too long");
            continue;
        }
        let name = offered(server, &tool.name, |name| names.contains(name));
        if names.insert(name.clone()) {
            let remote_name = tool.name.into_owned();
            tools.push(Described { tool: Tool::function(name, description, schema), remote_name });
        }
    }
    tools
}
