//! [`ToolConfig`]: the tools of a request and the choice among them.

use llm_core::{ChatRequest, ModelError, Part, Tool, ToolChoice};
use serde_json::{Map, Value, json};

use super::request_message::cache_point;
use super::{ANSWER_TOOL, DIALECT};
use crate::notes::Notes;

/// `toolConfig` in the making.
#[derive(Debug)]
pub(super) struct ToolConfig {
    tools: Vec<Value>,
    choice: Option<Value>,
    /// The tools are only there because earlier calls need them.
    is_only_history: bool,
}

impl ToolConfig {
    /// `used` are the tools that earlier turns called.
    pub(super) fn new(
        tools: Vec<Tool>,
        choice: Option<ToolChoice>,
        used: Vec<String>,
        notes: &mut Notes,
    ) -> Result<Self, ModelError> {
        let names: Option<Vec<String>> = match &choice {
            Some(ToolChoice::Allowed { names, .. }) => Some(names.clone()),
            Some(ToolChoice::None) if used.is_empty() => Some(Vec::new()),
            _ => None,
        };
        let is_allowed = |tool: &Tool| match (&names, tool) {
            (Some(names), Tool::Function { name, .. }) => names.contains(name),
            (Some(names), _) => !names.is_empty(),
            (None, _) => true,
        };
        let mut config = Self { tools: Vec::new(), choice: None, is_only_history: false };
        for (at, tool) in tools.into_iter().enumerate().filter(|(_, tool)| is_allowed(tool)) {
            config.tool(at, tool, notes)?;
        }
        if !used.is_empty() && !config.has_tool() {
            config.is_only_history = true;
            for name in used {
                let note = "earlier calls need their tools, so they were declared by name";
                notes.moved_content("tools", note);
                config.tools.push(tool_spec(name, None, None, None, Map::new()));
            }
        }
        config.choice = match choice {
            Some(ToolChoice::Auto) => Some(json!({ "auto": {} })),
            Some(ToolChoice::Required) => Some(json!({ "any": {} })),
            Some(ToolChoice::Function(name)) => Some(json!({ "tool": { "name": name } })),
            Some(ToolChoice::Allowed { required: true, .. }) => Some(json!({ "any": {} })),
            Some(ToolChoice::Allowed { required: false, .. }) => Some(json!({ "auto": {} })),
            Some(ToolChoice::None) => {
                if config.has_tool() {
                    notes.dropped_parameter("tool_choice")?;
                }
                None
            }
            None => None,
        };
        Ok(config)
    }

    fn has_tool(&self) -> bool {
        self.tools.iter().any(|tool| tool.get("cachePoint").is_none())
    }

    fn tool(&mut self, at: usize, tool: Tool, notes: &mut Notes) -> Result<(), ModelError> {
        match tool {
            Tool::Function { name, description, parameters, strict, cache, extra } => {
                self.tools.push(tool_spec(name, description, parameters, strict, extra));
                self.tools.extend(cache.map(cache_point));
            }
            Tool::Provider { dialect, value } if dialect == DIALECT => self.tools.push(value),
            _ => notes.dropped_parameter(&format!("tools[{at}]"))?,
        }
        Ok(())
    }

    /// Adds the tool that stands for the answer. Alone it must be called; beside others the model must call one.
    pub(super) fn answer(&mut self, description: Option<String>, schema: Value, notes: &mut Notes) {
        let description =
            description.unwrap_or_else(|| "Gives the answer. Call it once, at the end.".into());
        let is_alone = self.is_only_history || !self.has_tool();
        let name = ANSWER_TOOL.to_owned();
        self.tools.push(tool_spec(name, Some(description), Some(schema), None, Map::new()));
        if is_alone {
            self.choice = Some(json!({ "tool": { "name": ANSWER_TOOL } }));
        } else if !self.is_forced() {
            self.choice = Some(json!({ "any": {} }));
        }
        let message = "the form of the answer is asked for by a tool that the model must call";
        notes.translated_parameter("response_format", message);
    }

    fn is_forced(&self) -> bool {
        self.choice.as_ref().is_some_and(|choice| choice.get("auto").is_none())
    }

    /// The finished object; `None` without tools.
    pub(super) fn finish(self) -> Option<Value> {
        if self.tools.is_empty() {
            return None;
        }
        let mut config = Map::from_iter([("tools".to_owned(), Value::from(self.tools))]);
        if let Some(choice) = self.choice {
            config.insert("toolChoice".into(), choice);
        }
        Some(config.into())
    }
}

fn tool_spec(
    name: String,
    description: Option<String>,
    parameters: Option<Value>,
    strict: Option<bool>,
    extra: Map<String, Value>,
) -> Value {
    let mut spec = Map::from_iter([("name".to_owned(), Value::from(name))]);
    if let Some(description) = description.filter(|text| !text.is_empty()) {
        spec.insert("description".into(), description.into());
    }
    let mut schema = parameters.unwrap_or_else(|| json!({ "properties": {} }));
    // The service refuses schemas that do not say so at the top.
    if let Value::Object(fields) = &mut schema {
        fields.entry("type").or_insert_with(|| "object".into());
    }
    spec.insert("inputSchema".into(), json!({ "json": schema }));
    if let Some(strict) = strict {
        spec.insert("strict".into(), strict.into());
    }
    spec.extend(extra);
    json!({ "toolSpec": spec })
}

/// The names of the tools that earlier turns called. Results without their call count as `unknown_tool`.
pub(super) fn tools_in_history(request: &ChatRequest) -> Vec<String> {
    let mut names = Vec::new();
    for part in request.messages.iter().flat_map(|message| &message.parts) {
        let name = match part {
            Part::ToolCall(call) => call.name.as_str(),
            Part::ToolResult(result) => match &result.name {
                Some(name) => name,
                None => continue,
            },
            _ => continue,
        };
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    let has_result = || {
        let mut parts = request.messages.iter().flat_map(|message| &message.parts);
        parts.any(|part| matches!(part, Part::ToolResult(_)))
    };
    if names.is_empty() && has_result() {
        names.push("unknown_tool".to_owned());
    }
    names
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use llm_core::{Message, Role, ToolCall, ToolResult};

    use super::super::render_request;
    use super::*;

    const CLAUDE: &str = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";

    fn ask(model: &str) -> ChatRequest {
        ChatRequest { model: model.into(), ..ChatRequest::new(vec![Message::user("hi")]) }
    }

    fn check(request: ChatRequest, expect: Expect) {
        let rendered = render_request(request).unwrap();
        let mut text = Value::Object(rendered.body).to_string();
        for warning in rendered.warnings {
            text.push_str(&format!("\n{} {}", warning.code, warning.param.unwrap_or_default()));
        }
        if rendered.answers_by_tool {
            text.push_str("\nanswers by tool");
        }
        expect.assert_eq(&text);
    }

    fn look() -> Tool {
        Tool::function("look", "Looks.", json!({ "type": "object" }))
    }

    fn turn_with_tools() -> Vec<Message> {
        let call = ToolCall {
            id: "c1".into(),
            name: "look".into(),
            arguments: r#"{"at":1}"#.into(),
            ..ToolCall::default()
        };
        let result = ToolResult { is_error: true, ..ToolResult::text("c1", "no") };
        vec![
            Message::user("hi"),
            Message::new(Role::Assistant, vec![Part::ToolCall(call)]),
            Message::new(Role::Tool, vec![Part::ToolResult(result)]),
            Message::user("go on"),
        ]
    }

    #[test]
    fn tools_follow_the_history() {
        let with = |tools, tool_choice| ChatRequest {
            tools,
            tool_choice,
            messages: turn_with_tools(),
            ..ask(CLAUDE)
        };
        check(
            with(vec![look()], Some(ToolChoice::None)),
            expect![[r#"
            {"messages":[{"role":"user","content":[{"text":"hi"}]},{"role":"assistant","content":[{"toolUse":{"toolUseId":"c1","name":"look","input":{"at":1}}}]},{"role":"user","content":[{"toolResult":{"toolUseId":"c1","content":[{"text":"no"}],"status":"error"}},{"text":"go on"}]}],"toolConfig":{"tools":[{"toolSpec":{"name":"look","description":"Looks.","inputSchema":{"json":{"type":"object"}}}}]}}
            dropped_parameter tool_choice"#]],
        );
        check(
            with(vec![], None),
            expect![[r#"
                {"messages":[{"role":"user","content":[{"text":"hi"}]},{"role":"assistant","content":[{"toolUse":{"toolUseId":"c1","name":"look","input":{"at":1}}}]},{"role":"user","content":[{"toolResult":{"toolUseId":"c1","content":[{"text":"no"}],"status":"error"}},{"text":"go on"}]}],"toolConfig":{"tools":[{"toolSpec":{"name":"look","inputSchema":{"json":{"properties":{},"type":"object"}}}}]}}
                moved_content tools"#]],
        );
        let none =
            ChatRequest { tools: vec![look()], tool_choice: Some(ToolChoice::None), ..ask(CLAUDE) };
        check(none, expect![[r#"{"messages":[{"role":"user","content":[{"text":"hi"}]}]}"#]]);
        let other = Tool::function("other", "", json!({}));
        let allowed = ToolChoice::Allowed { names: vec!["other".into()], required: true };
        let request =
            ChatRequest { tools: vec![look(), other], tool_choice: Some(allowed), ..ask(CLAUDE) };
        check(
            request,
            expect![[
                r#"{"messages":[{"role":"user","content":[{"text":"hi"}]}],"toolConfig":{"tools":[{"toolSpec":{"name":"other","inputSchema":{"json":{"type":"object"}}}}],"toolChoice":{"any":{}}}}"#
            ]],
        );
    }
}
