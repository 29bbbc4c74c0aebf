//! What decoding one event of a stream costs, framing included, in time and allocations:
//! `cargo bench -p llm-providers --bench decode`.

mod anthropic;
mod bedrock;
mod cohere;
mod dashscope;
mod gemini;
mod measure;
mod ollama;
mod openai;

fn main() {
    openai::chat();
    openai::responses();
    anthropic::messages();
    gemini::generate();
    bedrock::converse();
    cohere::chat();
    ollama::chat();
    dashscope::generation();
}
