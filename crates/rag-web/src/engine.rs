//! [`Engine`]: how search engines are asked, and what they answer.

use reqwest::{Client, RequestBuilder};
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::json;
use url::Url;

use crate::{WebError, WebOptions};

/// A kind of search engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Engine {
    /// `POST /search` of Tavily's API, or of one like it.
    Tavily,
    /// `GET /search?format=json` of a SearXNG server, whose settings must allow the format `json`.
    SearXng,
}

/// A page that was found.
#[derive(Clone, Debug, PartialEq)]
pub struct WebPage {
    /// Its title; may be empty.
    pub title: String,
    /// Its address.
    pub url: Url,
    /// What the engine quotes of it.
    pub text: String,
    /// How well it fits, 0 to 1: the engine's own score where it has one of this range, else by its place.
    pub score: f32,
}

impl Engine {
    pub(crate) fn request(
        self,
        client: &Client,
        base: &Url,
        question: &str,
        options: &WebOptions,
    ) -> RequestBuilder {
        let mut url = base.clone();
        url.set_path(&format!("{}/search", base.path().trim_end_matches('/')));
        let key = options.key.as_ref().map(|key| key.expose_secret().to_owned());
        let request = match self {
            Self::Tavily => client.post(url).json(&json!({
                "query": question, "max_results": options.pages, "search_depth": "advanced",
            })),
            Self::SearXng => client.get(url).query(&[("q", question), ("format", "json")]),
        };
        match key {
            Some(key) => request.bearer_auth(key),
            None => request,
        }
    }

    /// The pages of an answer, best first. Entries without an address of the web or without text are left out.
    pub(crate) fn pages(self, answer: &[u8], most: usize) -> Result<Vec<WebPage>, WebError> {
        #[derive(Deserialize)]
        struct Answer {
            results: Vec<Found>,
        }
        #[derive(Deserialize)]
        struct Found {
            #[serde(default)]
            title: Option<String>,
            url: String,
            #[serde(default)]
            content: Option<String>,
            #[serde(default)]
            score: Option<f32>,
        }
        let answer: Answer = serde_json::from_slice(answer)
            .map_err(|error| WebError::Malformed(error.to_string()))?;
        let page = |found: Found| {
            let url = Url::parse(&found.url).ok().filter(|url| {
                matches!(url.scheme(), "http" | "https") && url.host_str().is_some()
            })?;
            let text = found.content.filter(|text| !text.trim().is_empty())?;
            Some((
                WebPage { title: found.title.unwrap_or_default(), url, text, score: 0.0 },
                found.score,
            ))
        };
        let pages = answer.results.into_iter().filter_map(page).take(most).enumerate();
        Ok(pages
            .map(|(place, (page, score))| WebPage { score: self.score(place, score), ..page })
            .collect())
    }

    /// SearXNG's scores add up places in several engines and have no upper end.
    fn score(self, place: usize, told: Option<f32>) -> f32 {
        const FIRST: f32 = 0.6;
        match (self, told) {
            (Self::Tavily, Some(score)) if score.is_finite() => score.clamp(0.0, 1.0),
            _ => FIRST / (1.0 + place as f32 / 4.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_read_and_what_is_none_left_out() {
        let answer = json!({ "query": "x", "results": [
            { "title": "Tea", "url": "https://tea.example/a", "content": "Hot.", "score": 0.9 },
            { "title": "Bad", "url": "javascript:alert(1)", "content": "x" },
            { "title": "Blank", "url": "https://b.example", "content": " " },
            { "url": "http://c.example", "content": "Cold.", "score": 7.5 },
        ]});
        let answer = serde_json::to_vec(&answer).unwrap();
        let shown = |engine: Engine| -> Vec<(String, i32)> {
            let pages = engine.pages(&answer, 6).unwrap();
            pages
                .into_iter()
                .map(|page| (page.url.to_string(), (page.score * 100.0).round() as i32))
                .collect()
        };
        assert_eq!(
            shown(Engine::Tavily),
            [("https://tea.example/a".into(), 90), ("http://c.example/".into(), 100)]
        );
        assert_eq!(
            shown(Engine::SearXng),
            [("https://tea.example/a".into(), 60), ("http://c.example/".into(), 48)]
        );
        assert_eq!(Engine::Tavily.pages(&answer, 1).unwrap().len(), 1);
        assert!(matches!(Engine::Tavily.pages(b"<html>", 1), Err(WebError::Malformed(_))));
    }
}
