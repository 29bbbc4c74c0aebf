//! Which of Azure's interfaces a recording of OpenAI's dialect was made at.

use llm_providers::OpenAi;
use llm_providers::openai::{AzureApi, OpenAiBuilder};
use serde_json::{Value, json};
use testkit::Exchange;

const DEPLOYMENTS: &str = "/openai/deployments/";

/// Whether an exchange of OpenAI's dialect was made with Azure.
pub(super) fn is_on_azure(exchange: &Exchange) -> bool {
    host_and_path(exchange).0.ends_with(".azure.com")
}

/// Takes out what is the recorder's: an endpoint that ended with a slash, and the name of a model beside the deployment's,
/// which Azure does not read.
pub(super) fn tidy(exchange: &mut Exchange) {
    if !is_on_azure(exchange) {
        return;
    }
    exchange.request.url = exchange.request.url.replace("azure.com//", "azure.com/");
    let deployment = deployment(exchange).map(str::to_owned);
    if let (Some(name), Some(Value::Object(body))) = (deployment, &mut exchange.request.body) {
        body.insert("model".into(), json!(name));
    }
}

/// A client for the interface that was asked.
pub(super) fn builder(origin: &str, exchange: &Exchange) -> OpenAiBuilder {
    let (_, path) = host_and_path(exchange);
    let url = exchange.request.url.as_str();
    let version = || {
        let (_, query) = url.split_once("api-version=").unwrap_or_default();
        query.split('&').next().unwrap_or_default().to_owned()
    };
    let api = if path.starts_with("/openai/v1/") {
        AzureApi::V1
    } else if path.starts_with("/models/") {
        AzureApi::Models { version: version() }
    } else {
        AzureApi::Deployments { version: version() }
    };
    OpenAi::azure(&exchange.provider, origin, api)
}

fn deployment(exchange: &Exchange) -> Option<&str> {
    let (_, path) = host_and_path(exchange);
    path.strip_prefix(DEPLOYMENTS)?.split('/').next()
}

fn host_and_path(exchange: &Exchange) -> (&str, &str) {
    let url = exchange.request.url.as_str();
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split_at(rest.find('/').unwrap_or(rest.len()))
}
