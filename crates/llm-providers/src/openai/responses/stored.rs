//! [`StoredResponses`]: answers that the provider keeps.

use std::fmt;
use std::sync::Arc;

use futures::TryStreamExt;
use futures::future::BoxFuture;
use http::Method;
use llm_core::{ChatReply, ErrorKind, ModelError, Operation};
use reqwest::Response;

use super::model::read;
use crate::openai::provider::Shared;

/// Responses in the provider's store, by their ids. They are there unless the request said `store: false`; a request with
/// `background: true` is answered there and nowhere else.
///
/// Futures borrow nothing; dropping one, or a reply, cancels only the asking. Errors are those of any call.
///
/// ```no_run
/// use llm_core::{ChatRequest, ChatResponse, Message};
///
/// # async fn example(provider: llm_providers::OpenAi) -> Result<(), Box<dyn std::error::Error>> {
/// let mut request = ChatRequest::new(vec![Message::user("Think for an hour.")]);
/// request.extra_body.insert("background".into(), true.into());
/// let queued = ChatResponse::collect(provider.responses("gpt-5").chat(request).await?).await?;
/// let id = queued.started.id.ok_or("the response has no id")?;
/// let answer = ChatResponse::collect(provider.stored_responses().follow(&id).await?).await?;
/// println!("{}", answer.text());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct StoredResponses {
    shared: Arc<Shared>,
}

impl StoredResponses {
    pub(in crate::openai) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// The response as it is now. One that is not finished ends as
    /// [`FinishReason::Other`](llm_core::FinishReason::Other), with a warning.
    pub fn get(&self, id: &str) -> BoxFuture<'static, Result<ChatReply, ModelError>> {
        self.reply(id, false)
    }

    /// The response as a stream from its beginning to its end. The provider offers it for responses that were asked for
    /// with `background` and `stream`.
    pub fn follow(&self, id: &str) -> BoxFuture<'static, Result<ChatReply, ModelError>> {
        self.reply(id, true)
    }

    /// Stops a response in the background.
    pub fn cancel(&self, id: &str) -> BoxFuture<'static, Result<(), ModelError>> {
        let path = path_of(id).map(|path| format!("{path}/cancel"));
        self.done(Method::POST, path)
    }

    /// Deletes a response.
    pub fn delete(&self, id: &str) -> BoxFuture<'static, Result<(), ModelError>> {
        self.done(Method::DELETE, path_of(id))
    }

    fn reply(
        &self,
        id: &str,
        is_streamed: bool,
    ) -> BoxFuture<'static, Result<ChatReply, ModelError>> {
        let (shared, path) = (self.shared.clone(), path_of(id));
        Box::pin(async move {
            let query: &[_] = if is_streamed { &[("stream", "true")] } else { &[] };
            let ask = async {
                let response = ask(&shared, Method::GET, &path?, query).await?;
                read(&shared, response, Vec::new(), is_streamed, shared.quirks.think_tags).await
            };
            let reply = ask.await.map_err(|error| error.at_if_unknown(&shared.name, ""))?;
            Ok(reply.map_source(move |events| {
                events.map_err(move |error| error.at_if_unknown(&shared.name, ""))
            }))
        })
    }

    fn done(
        &self,
        method: Method,
        path: Result<String, ModelError>,
    ) -> BoxFuture<'static, Result<(), ModelError>> {
        let shared = self.shared.clone();
        Box::pin(async move {
            let ask = async {
                let response = ask(&shared, method, &path?, &[]).await?;
                // Read to its end, so that the connection can serve the next call.
                shared.transport.read_body(Operation::Chat, response).await
            };
            ask.await.map(drop).map_err(|error| error.at_if_unknown(&shared.name, ""))
        })
    }
}

impl fmt::Debug for StoredResponses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredResponses").field("provider", &self.shared.name).finish()
    }
}

async fn ask(
    shared: &Shared,
    method: Method,
    path: &str,
    query: &[(&str, &str)],
) -> Result<Response, ModelError> {
    shared.ask(Operation::Chat, method, path, query).await
}

/// An id may come from anywhere, so it must not lead to another path.
fn path_of(id: &str) -> Result<String, ModelError> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if !id.is_empty() && id.bytes().all(is_plain) {
        return Ok(format!("responses/{id}"));
    }
    let message = "the id of a response is made of letters, digits, `_` and `-`";
    Err(ModelError::new(ErrorKind::InvalidRequest, Operation::Chat, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_lead_nowhere_else() {
        assert_eq!(path_of("resp_1-a").unwrap(), "responses/resp_1-a");
        for id in ["", "..", "a/b", "a?b", "a%2fb", "a b"] {
            assert_eq!(path_of(id).unwrap_err().kind(), ErrorKind::InvalidRequest, "{id}");
        }
    }
}
