//! [`CacheableRequest`]: what of a request decides about its answer.

use llm_core::{
    ChatRequest, EmbeddingRequest, Media, MediaSource, Message, Part, RerankRequest, Role,
    SpeechRequest, Tool, TranscriptionRequest, VisionRequest,
};

use super::key::KeyWriter;

/// A request that can be told apart from others. Every field goes into the key, except those that cannot change the
/// answer: the model's name (the key has the route's), the end user, and whether the answer is streamed.
pub trait CacheableRequest {
    /// Writes all that can change the answer.
    fn write_key(&self, key: &mut KeyWriter);

    /// Whether the answer depends on nothing but the request and the model: not on a page of the web, say.
    fn is_closed(&self) -> bool {
        true
    }

    /// Roughly how many bytes of text, sound and pictures it has.
    fn weight(&self) -> usize;

    /// How many things are asked about: texts of an embedding, documents of a reranking, else one.
    fn items(&self) -> usize {
        1
    }

    /// The text of the last question, where questions may be compared by their meaning.
    fn question(&self) -> Option<String> {
        None
    }

    /// Writes all that can change the answer, except the text of [`question`](Self::question).
    fn write_scope(&self, key: &mut KeyWriter) {
        self.write_key(key);
    }
}

// The requests are taken apart field by field, so that a field that is added has to be thought of here.

impl CacheableRequest for ChatRequest {
    fn write_key(&self, key: &mut KeyWriter) {
        key.field("messages", &self.messages);
        write_parameters(self, key);
    }

    fn weight(&self) -> usize {
        let parts = self.messages.iter().flat_map(|message| &message.parts);
        parts.map(part_weight).sum()
    }

    fn is_closed(&self) -> bool {
        let runs_elsewhere = |tool: &Tool| !matches!(tool, Tool::Function { .. });
        let parts = self.messages.iter().flat_map(|message| &message.parts);
        !self.tools.iter().any(runs_elsewhere) && !parts.into_iter().any(is_open)
    }

    /// Not with tools: what they are called with tells questions apart that are otherwise much alike.
    fn question(&self) -> Option<String> {
        if !self.tools.is_empty() {
            return None;
        }
        let last = self.messages.last().filter(|message| message.role == Role::User)?;
        let is_text = last.parts.iter().all(|part| matches!(part, Part::Text(_)));
        let text = last.text();
        (is_text && !text.trim().is_empty()).then_some(text)
    }

    fn write_scope(&self, key: &mut KeyWriter) {
        if let Some((last, earlier)) = self.messages.split_last() {
            let Message { role, parts: _, name, extra } = last;
            key.field("earlier messages", earlier);
            key.field("role", role);
            key.field("name", name);
            key.extra("extra", extra);
        }
        write_parameters(self, key);
    }
}

fn write_parameters(request: &ChatRequest, key: &mut KeyWriter) {
    let ChatRequest {
        model: _,
        messages: _,
        stream: _,
        tools,
        tool_choice,
        parallel_tool_calls,
        response_format,
        sampling,
        max_output_tokens,
        stop,
        n,
        logprobs,
        top_logprobs,
        reasoning,
        service_tier,
        user: _,
        unsupported,
        extra_body,
        extra_headers,
    } = request;
    key.field("tools", tools);
    key.field("tool_choice", tool_choice);
    key.field("parallel_tool_calls", parallel_tool_calls);
    key.field("response_format", response_format);
    key.field("sampling", sampling);
    key.field("max_output_tokens", max_output_tokens);
    key.field("stop", stop);
    key.field("n", n);
    key.field("logprobs", logprobs);
    key.field("top_logprobs", top_logprobs);
    key.field("reasoning", reasoning);
    key.field("service_tier", service_tier);
    key.field("unsupported", unsupported);
    key.extra("extra_body", extra_body);
    key.field("extra_headers", extra_headers);
}

/// Whether the part is only named here, and what it holds can change.
fn is_open(part: &Part) -> bool {
    match part {
        Part::Image(media) | Part::Audio(media) | Part::File(media) => is_elsewhere(media),
        Part::ToolResult(result) => result.parts.iter().any(is_open),
        _ => false,
    }
}

fn is_elsewhere(media: &Media) -> bool {
    matches!(&media.source, MediaSource::Url(url) if !url.starts_with("data:"))
}

fn part_weight(part: &Part) -> usize {
    match part {
        Part::Text(part) | Part::Refusal(part) => part.text.len(),
        Part::Image(media) | Part::Audio(media) | Part::File(media) => media_weight(media),
        Part::Reasoning(block) => block.text.len() + block.redacted.as_ref().map_or(0, String::len),
        Part::ToolCall(call) => call.arguments.len(),
        Part::ToolResult(result) => result.parts.iter().map(part_weight).sum(),
        _ => 0,
    }
}

fn media_weight(media: &Media) -> usize {
    let (MediaSource::Url(text)
    | MediaSource::Base64(text)
    | MediaSource::FileId(text)
    | MediaSource::Text(text)) = &media.source;
    text.len()
}

impl CacheableRequest for EmbeddingRequest {
    fn write_key(&self, key: &mut KeyWriter) {
        let Self { model: _, inputs, purpose, dimensions, user: _, extra_body, extra_headers } =
            self;
        key.field("inputs", inputs);
        key.field("purpose", purpose);
        key.field("dimensions", dimensions);
        key.extra("extra_body", extra_body);
        key.field("extra_headers", extra_headers);
    }

    fn weight(&self) -> usize {
        self.inputs.iter().map(String::len).sum()
    }

    fn items(&self) -> usize {
        self.inputs.len()
    }
}

impl CacheableRequest for RerankRequest {
    fn write_key(&self, key: &mut KeyWriter) {
        let Self { model: _, query, documents, top, extra_body, extra_headers } = self;
        key.field("query", query);
        key.field("documents", documents);
        key.field("top", top);
        key.extra("extra_body", extra_body);
        key.field("extra_headers", extra_headers);
    }

    fn weight(&self) -> usize {
        self.query.len() + self.documents.iter().map(String::len).sum::<usize>()
    }

    fn items(&self) -> usize {
        self.documents.len()
    }
}

impl CacheableRequest for SpeechRequest {
    fn weight(&self) -> usize {
        self.input.len()
    }

    fn write_key(&self, key: &mut KeyWriter) {
        let Self { model: _, input, voice, format, speed, instructions, extra_body, extra_headers } =
            self;
        key.field("input", input);
        key.field("voice", voice);
        key.field("format", format);
        key.field("speed", speed);
        key.field("instructions", instructions);
        key.extra("extra_body", extra_body);
        key.field("extra_headers", extra_headers);
    }
}

impl CacheableRequest for TranscriptionRequest {
    fn weight(&self) -> usize {
        self.audio.len()
    }

    fn write_key(&self, key: &mut KeyWriter) {
        let Self {
            model: _,
            audio,
            file_name,
            media_type,
            language,
            prompt,
            temperature,
            segments,
            translate,
            extra_body,
            extra_headers,
        } = self;
        key.bytes("audio", audio);
        key.field("file_name", file_name);
        key.field("media_type", media_type);
        key.field("language", language);
        key.field("prompt", prompt);
        key.field("temperature", temperature);
        key.field("segments", segments);
        key.field("translate", translate);
        key.extra("extra_body", extra_body);
        key.field("extra_headers", extra_headers);
    }
}

impl CacheableRequest for VisionRequest {
    fn write_key(&self, key: &mut KeyWriter) {
        let Self { model: _, image, prompt, extra_body, extra_headers } = self;
        key.field("image", image);
        key.field("prompt", prompt);
        key.extra("extra_body", extra_body);
        key.field("extra_headers", extra_headers);
    }

    fn weight(&self) -> usize {
        media_weight(&self.image)
    }

    fn is_closed(&self) -> bool {
        !is_elsewhere(&self.image)
    }
}
