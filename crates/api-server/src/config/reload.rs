//! Which settings a running server takes over from a configuration that is read again.

use std::collections::BTreeSet;

use toml::{Table, Value};

use super::{Config, DefaultsConfig, ServerConfig};

/// Settings that a running server takes over, with all that is below them. The others need a restart.
const RELOADED: &[&str] = &[
    "server.max_requests",
    "server.max_tenant_share",
    "server.body_seconds",
    "server.unsupported",
    "provider",
    "model",
    "models",
    "mcp",
    "web",
    "defaults.chat",
    "defaults.embedding",
    "dialog",
    "limits",
];

impl Config {
    /// This configuration as a server takes it over that runs with `running`.
    pub(crate) fn for_running(self, running: &Config) -> Config {
        let server = ServerConfig {
            max_requests: self.server.max_requests,
            max_tenant_share: self.server.max_tenant_share,
            body_seconds: self.server.body_seconds,
            unsupported: self.server.unsupported,
            ..running.server.clone()
        };
        let defaults = DefaultsConfig { vision: running.defaults.vision.clone(), ..self.defaults };
        Config {
            server,
            defaults,
            provider: self.provider,
            model: self.model,
            models: self.models,
            mcp: self.mcp,
            web: self.web,
            dialog: self.dialog,
            limits: self.limits,
            read_from: self.read_from,
            ..running.clone()
        }
    }

    /// The names of settings that differ from `running`, and that only a restart takes over.
    pub(crate) fn needs_restart(&self, running: &Config) -> Vec<String> {
        let mut names = BTreeSet::new();
        differences("", &running.read_from, &self.read_from, &mut names);
        names.into_iter().collect()
    }
}

fn differences(above: &str, before: &Table, after: &Table, names: &mut BTreeSet<String>) {
    let nothing = Table::new();
    let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    for key in keys {
        let name = format!("{above}{key}");
        if RELOADED.contains(&name.as_str()) {
            continue;
        }
        match (before.get(key), after.get(key)) {
            (before, after) if before == after => {}
            (Some(Value::Table(before)), Some(Value::Table(after))) => {
                differences(&format!("{name}."), before, after, names);
            }
            (Some(Value::Table(before)), None) => {
                differences(&format!("{name}."), before, &nothing, names);
            }
            (None, Some(Value::Table(after))) => {
                differences(&format!("{name}."), &nothing, after, names);
            }
            _ => drop(names.insert(name)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Config {
        let read_from: Table = toml::from_str(text).unwrap();
        Config { read_from, ..toml::from_str(text).unwrap() }
    }

    #[test]
    fn a_running_server_takes_over_models_and_names_the_rest() {
        let running = read(
            "[server]\nmax_requests = 5\nlisten = \"127.0.0.1:1\"\n[usage]\nenabled = false\n\
             [[model]]\nname = \"a\"\ntargets = [\"b/c\"]",
        );
        let new = read(
            "[server]\nmax_requests = 6\nlisten = \"127.0.0.1:2\"\n[auth]\nmode = \"keys\"\n\
             [server.tls]\ncertificate = \"c\"\nkey = \"k\"",
        );
        let names = new.needs_restart(&running);
        let expected = [
            "auth.mode",
            "server.listen",
            "server.tls.certificate",
            "server.tls.key",
            "usage.enabled",
        ];
        assert_eq!(names, expected);
        let taken = new.for_running(&running);
        assert_eq!((taken.server.max_requests, taken.server.listen.port()), (6, 1));
        assert!(taken.model.is_empty() && !taken.usage.enabled && taken.server.tls.is_none());
    }
}
