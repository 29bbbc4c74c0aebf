//! Models on Azure, and tokens of Entra, over HTTP.

use std::sync::Arc;

use llm_core::{ChatRequest, ChatResponse, EmbeddingRequest, ErrorKind, Message};
use llm_providers::OpenAi;
use llm_providers::credentials::azure::{Entra, ManagedIdentity};
use llm_providers::credentials::{CachedTokens, FixedToken, TokenSource};
use llm_providers::openai::{AzureApi, OpenAiBuilder};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use testkit::{Chunking, Exchange, ReplayServer};

fn answering(id: &str, status: u16, body: &Value) -> Exchange {
    let exchange = json!({
        "id": id, "provider": "azure", "dialect": "own", "wire": "own", "kind": "own",
        "request": { "method": "POST", "url": "" },
        "response": { "status": status, "framing": "json", "body": body.to_string(),
            "headers": { "content-type": "application/json" } },
    });
    serde_json::from_value(exchange).unwrap()
}

fn answer() -> Value {
    json!({ "id": "a", "model": "m",
        "choices": [{ "index": 0, "message": { "content": "air" }, "finish_reason": "stop" }] })
}

async fn ask(builder: OpenAiBuilder, model: &str) -> Result<String, llm_core::ModelError> {
    let model = builder.build().unwrap().chat(model);
    let reply = model.chat(ChatRequest::new(vec![Message::user("why")])).await?;
    Ok(ChatResponse::collect(reply).await?.text())
}

#[tokio::test]
async fn every_interface_has_its_address_and_its_key() {
    let server = ReplayServer::start().await.unwrap();
    let endpoint = server.add(answering("a", 200, &answer()), Chunking::Whole);
    let version = || "2024-10-21".to_owned();
    for (api, path, query) in [
        (AzureApi::V1, "/openai/v1/chat/completions", ""),
        (
            AzureApi::Deployments { version: version() },
            "/openai/deployments/my%2Fown/chat/completions",
            "api-version=2024-10-21",
        ),
        (
            AzureApi::Models { version: version() },
            "/models/chat/completions",
            "api-version=2024-10-21",
        ),
    ] {
        let builder = OpenAi::azure("azure", &endpoint, api).api_key("secret".into());
        assert_eq!(ask(builder, "my/own").await.unwrap(), "air");
        let seen = &server.taken("a")[0];
        assert_eq!((seen.path.as_str(), seen.query.as_str()), (path, query));
        assert_eq!(seen.headers["api-key"], "secret");
        assert!(!seen.headers.contains_key("authorization"));
        assert_eq!(seen.json()["model"], "my/own");
    }
}

#[tokio::test]
async fn embeddings_are_asked_below_their_deployment() {
    let server = ReplayServer::start().await.unwrap();
    let body = json!({ "data": [{ "index": 0, "embedding": [1.0, 2.0] }], "model": "e" });
    let endpoint = server.add(answering("e", 200, &body), Chunking::Whole);
    let api = AzureApi::Deployments { version: "v".into() };
    let azure = OpenAi::azure("azure", endpoint, api).api_key("k".into()).build().unwrap();
    let vectors = azure.embedding("e").embed(EmbeddingRequest::documents(["a"])).await.unwrap();
    assert_eq!(vectors.vectors, [[1.0, 2.0]]);
    assert_eq!(server.taken("e")[0].path, "/openai/deployments/e/embeddings");
}

#[tokio::test]
async fn a_secret_is_exchanged_once_for_a_token() {
    let server = ReplayServer::start().await.unwrap();
    let token = json!({ "token_type": "Bearer", "expires_in": 3599, "access_token": "t1" });
    let authority = server.add(answering("login", 200, &token), Chunking::Whole);
    let endpoint = server.add(answering("a", 200, &answer()), Chunking::Whole);
    let entra = Entra::with_secret("my-tenant", "app", "s&cret".into()).unwrap();
    let tokens = CachedTokens::new(Arc::new(entra.authority(&authority).unwrap()));
    let builder = OpenAi::azure("azure", &endpoint, AzureApi::V1).token_source(Arc::new(tokens));
    for _ in 0..2 {
        assert_eq!(ask(builder.clone(), "m").await.unwrap(), "air");
        let seen = &server.taken("a")[0];
        assert_eq!(seen.headers["authorization"], "Bearer t1");
        assert!(!seen.headers.contains_key("api-key"));
    }
    let [login] = &server.taken("login")[..] else { panic!("asked once") };
    assert_eq!(login.path, "/my-tenant/oauth2/v2.0/token");
    assert_eq!(login.headers["content-type"], "application/x-www-form-urlencoded");
    assert_eq!(
        login.body,
        "grant_type=client_credentials&client_id=app\
         &scope=https%3A%2F%2Fcognitiveservices.azure.com%2F.default&client_secret=s%26cret"
    );
}

#[tokio::test]
async fn a_workload_shows_what_its_platform_signed() {
    let server = ReplayServer::start().await.unwrap();
    let token = json!({ "expires_in": 3599, "access_token": "t2" });
    let authority = server.add(answering("login", 200, &token), Chunking::Whole);
    let signed = Arc::new(FixedToken::new("eyJ.signed\n".into()));
    let entra = Entra::with_assertion("t", "app", signed).unwrap();
    let entra = entra.authority(&authority).unwrap().scope("https://ai.azure.com/.default");
    assert_eq!(entra.token().await.unwrap().secret.expose_secret(), "t2");
    let form = String::from_utf8(server.taken("login")[0].body.to_vec()).unwrap();
    assert!(form.contains("client_assertion=eyJ.signed&") || form.ends_with("=eyJ.signed"));
    assert!(form.contains("client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3A"), "{form}");
    assert!(form.contains("scope=https%3A%2F%2Fai.azure.com%2F.default"));
}

#[tokio::test]
async fn machines_and_apps_have_identities() {
    let server = ReplayServer::start().await.unwrap();
    let token = json!({ "access_token": "t3", "expires_in": "86399", "expires_on": "1" });
    let origin = server.add(answering("imds", 200, &token), Chunking::Whole);
    let url = format!("{origin}/metadata/identity/oauth2/token");
    let machine = ManagedIdentity::of_machine_at(&url).unwrap().client_id("c");
    let token = machine.token().await.unwrap();
    assert_eq!(token.lasts.map(|lasts| lasts.as_secs()), Some(86399));
    let seen = &server.taken("imds")[0];
    assert_eq!(
        (seen.path.as_str(), &seen.headers["metadata"]),
        ("/metadata/identity/oauth2/token", &"true".parse().unwrap())
    );
    assert_eq!(
        seen.query,
        "api-version=2018-02-01&resource=https%3A%2F%2Fcognitiveservices.azure.com&client_id=c"
    );

    let app = ManagedIdentity::of_app(&format!("{origin}/msi/token"), &"h".into()).unwrap();
    app.token().await.unwrap();
    let seen = &server.taken("imds")[0];
    assert_eq!(seen.headers["x-identity-header"], "h");
    assert!(seen.query.starts_with("api-version=2019-08-01&"));
}

#[tokio::test]
async fn a_refused_exchange_is_the_calls_failure_without_the_secret() {
    let server = ReplayServer::start().await.unwrap();
    let refusal = json!({ "error": "invalid_client", "error_description": "AADSTS7000215: no" });
    let authority = server.add(answering("login", 401, &refusal), Chunking::Whole);
    let entra = Entra::with_secret("t", "app", "very-secret".into()).unwrap();
    let tokens = Arc::new(entra.authority(&authority).unwrap());
    let endpoint = server.add(answering("a", 200, &answer()), Chunking::Whole);
    let builder = OpenAi::azure("azure", &endpoint, AzureApi::V1).token_source(tokens);
    let error = ask(builder, "m").await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::Authentication, Some(401)));
    assert_eq!((error.provider(), error.model()), ("azure", "m"));
    assert!(error.message().contains("AADSTS7000215") && !format!("{error:?}").contains("very-s"));
    assert!(server.taken("a").is_empty());
}
