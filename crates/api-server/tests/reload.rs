//! SIGHUP: the binary reads its configuration again.

mod support;

use std::fs;

use support::Serving;

#[test]
fn models_come_and_go_with_sighup() {
    let folder = tempfile::tempdir().unwrap();
    let write = |text: &str| fs::write(folder.path().join("colloquy.toml"), text).unwrap();
    let model =
        |name: &str| format!("[[model]]\nname = \"{name}\"\ntargets = [\"local/extractive\"]\n");
    write(&model("first"));
    let mut server = Serving::start(folder.path(), &[]);
    server.until("/v1/models", "\"first\"");

    write(&(model("second") + "[server]\nlisten = \"127.0.0.1:1\"\n"));
    server.signal("-HUP");
    server.until("/v1/models", "\"second\"");
    assert!(!server.get("/v1/models").contains("\"first\""));

    write("[[model]]\nname = \"third\"\ntargets = []\n");
    server.signal("-HUP");
    server.until("/metrics", "colloquy_config_reloads_total{outcome=\"refused\"} 1");
    assert!(server.get("/v1/models").contains("\"second\""));

    server.signal("-TERM");
    assert!(server.child.wait().unwrap().success());
    let log = fs::read_to_string(folder.path().join("log")).unwrap();
    assert!(log.contains("server.listen"), "what waits for a restart is named: {log}");
    assert!(log.contains("name at least one target"), "{log}");
}
