//! Health, readiness, metrics, the page, and who is let in.

use api_server::config::AuthMode;

use crate::client::Client;
use crate::site::Site;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orchestrators_and_prometheus_find_what_they_ask_for() {
    let site = Site::start(&[]).await;
    assert_eq!(site.client.get("/healthz").await.text, "ok");
    assert_eq!(site.client.get("/readyz").await.json()["ready"], true);
    site.client.get("/v1/models").await;
    let counted =
        "colloquy_http_requests_total{route=\"/v1/models\",method=\"GET\",status=\"200\"}";
    site.until(&format!("{counted} 1")).await;
    let metrics = site.client.get("/metrics").await;
    assert!(metrics.header("content-type").starts_with("application/openmetrics-text"));
    assert!(metrics.text.ends_with("# EOF\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_have_an_address_of_their_own_that_asks_for_no_key() {
    let site = Site::start_with(&[], |config| {
        config.auth.mode = AuthMode::Keys;
        config.metrics.listen = Some("127.0.0.1:0".parse().unwrap());
    })
    .await;
    let own = Client::new(site.server.metrics_address().unwrap());
    assert_eq!(site.client.get("/metrics").await.status, 401);
    assert!(own.get("/metrics").await.text.ends_with("# EOF\n"));
    assert_eq!(own.get("/healthz").await.text, "ok");
    assert_eq!(own.get("/readyz").await.status, 200);
    for path in ["/", "/v1/models", "/api/v2/datasets", "/api/v1/datasets"] {
        assert_eq!(own.get(path).await.status, 404, "{path}");
    }
    let site = Site::start_with(&[], |config| {
        config.metrics.listen = Some("127.0.0.1:0".parse().unwrap());
    })
    .await;
    let own = Client::new(site.server.metrics_address().unwrap());
    let rebound = own.http.get(format!("{}/metrics", own.base)).header("host", "example.com");
    assert_eq!(rebound.send().await.unwrap().status(), 403, "a page of another site");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_takes_nothing_from_elsewhere() {
    let site = Site::start(&[]).await;
    let page = site.client.get("/").await;
    assert!(page.text.contains("<title>Colloquy</title>"));
    let policy = page.header("content-security-policy").to_owned();
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    assert!(!page.text.contains("http://") && !page.text.contains("https://"));
    assert_eq!(page.header("cache-control"), "no-cache");
    let script = page.text.split('"').find(|part| part.ends_with(".js")).unwrap();
    let answer = site.client.get(script).await;
    assert!(answer.header("content-type").starts_with("text/javascript"));
    assert!(answer.header("cache-control").contains("immutable"));
    let nothing = site.client.get("/nothing/here").await;
    assert_eq!(
        (nothing.status, nothing.json()["error"]["code"].as_str()),
        (404, Some("not_found"))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_is_packed_and_sent_once() {
    let site = Site::start(&[]).await;
    let ask = |name: &'static str, value: String| {
        site.client.http.get(format!("{}/", site.client.base)).header(name, value).send()
    };
    for (accepts, coding) in
        [("gzip, br", Some("gzip")), ("br", None), ("gzip;q=0", None), ("gzip;q=0.5", Some("gzip"))]
    {
        let answer = ask("accept-encoding", accepts.into()).await.unwrap();
        let told = answer.headers().get("content-encoding").map(|value| value.to_str().unwrap());
        assert_eq!(told, coding, "{accepts}");
    }
    let etag = site.client.get("/").await.header("etag").to_owned();
    for (known, status) in [(etag.clone(), 304), (format!("W/{etag}"), 304), ("\"x\"".into(), 200)]
    {
        assert_eq!(ask("if-none-match", known).await.unwrap().status(), status);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_of_other_sites_and_other_names_are_refused() {
    let site = Site::start(&[]).await;
    for (header, value, status) in [
        ("origin", "https://example.com", 403),
        ("origin", "null", 403),
        ("host", "example.com", 403),
        ("origin", "http://localhost:3000", 200),
        ("host", "localhost", 200),
    ] {
        let request =
            site.client.http.get(format!("{}/v1/models", site.client.base)).header(header, value);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), status, "{header}: {value}");
        assert!(answer.headers().contains_key("x-request-id"), "{header}: {value}");
    }
    let refused =
        "colloquy_http_requests_total{route=\"/v1/models\",method=\"GET\",status=\"403\"}";
    site.until(&format!("{refused} 3")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_keeps_its_id_and_one_too_many_is_shed() {
    let site = Site::start_with(&[], |config| config.server.max_requests = 1).await;
    let url = format!("{}/v1/models", site.client.base);
    let named = site.client.http.get(&url).header("x-request-id", "mine-1").send().await.unwrap();
    assert_eq!(named.headers()["x-request-id"], "mine-1");
    drop(named);

    let held = serde_json::json!({
        "model": "fake/m", "stream": true, "messages": [{ "role": "user", "content": "Hi" }],
    });
    site.upstream.always(testkit::Behaviour::tokens(10).silent_after(1));
    let live = site.client.open("/v1/chat/completions", &held).await;
    let shed = site.client.get("/v1/models").await;
    assert_eq!((shed.status, shed.header("retry-after")), (503, "1"));
    assert_eq!(site.client.get("/healthz").await.status, 200);
    drop(live);
    site.upstream.closed().await;
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(5);
    while site.client.get("/v1/models").await.status != 200 {
        assert!(tokio::time::Instant::now() < deadline, "the place is given back");
    }
}
