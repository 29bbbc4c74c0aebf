//! `[[mcp]]`: servers whose tools a chat may use.

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::time::Duration;

use llm_mcp::{Endpoint, HttpEndpoint, McpOptions, McpServer, Process};
use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

use super::{Environment, SecretRef};

/// What a program that we start sees of our environment: what it needs to run, and no keys.
const HANDED_ON: [&str; 8] = ["PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "TZ", "TMPDIR"];

/// `[[mcp]]`: a program to start (`command`), or an address (`url`).
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct McpConfig {
    /// Its name: what requests call it, and how the names of its tools begin.
    pub name: String,
    /// The program.
    pub command: Option<String>,
    /// Its arguments.
    #[serde(default)]
    pub args: Vec<String>,
    /// Variables that it sees, besides those that programs need to run.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Variables that hold secrets.
    #[serde(default)]
    pub secret_env: BTreeMap<String, SecretRef>,
    /// Where it runs; left out, where the server does.
    pub directory: Option<PathBuf>,
    /// The address, which speaks streamable HTTP. Any is allowed.
    pub url: Option<String>,
    /// Further headers of every request.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Headers that hold secrets.
    #[serde(default)]
    pub secret_headers: BTreeMap<String, SecretRef>,
    /// The only tools to take, by the server's names for them; left out, all.
    pub tools: Option<Vec<String>>,
    /// How long a call may take, in seconds.
    pub timeout_seconds: Option<NonZeroU64>,
}

impl McpConfig {
    /// The server, which is not connected to yet.
    ///
    /// # Errors
    /// One line that names the key at fault, never a secret.
    pub fn server(&self, environment: &Environment) -> Result<McpServer, String> {
        let endpoint = match (&self.command, &self.url) {
            (Some(command), None) => Endpoint::Process(self.process(command, environment)?),
            (None, Some(url)) => Endpoint::Http(self.address(url, environment)?),
            _ => return Err("needs either a `command` or a `url`".into()),
        };
        let defaults = McpOptions::default();
        let timeout = self.timeout_seconds.map(|seconds| Duration::from_secs(seconds.get()));
        let options = McpOptions {
            call_timeout: timeout.unwrap_or(defaults.call_timeout),
            allowed: self.tools.clone(),
            ..defaults
        };
        McpServer::new(self.name.as_str(), endpoint, options).map_err(|error| error.to_string())
    }

    fn process(&self, command: &str, environment: &Environment) -> Result<Process, String> {
        if !self.headers.is_empty() || !self.secret_headers.is_empty() {
            return Err("`headers` and `secret_headers` go with a `url`".into());
        }
        let handed_on = HANDED_ON.iter().filter_map(|name| environment.get_key_value(*name));
        let plain = handed_on.chain(&self.env);
        let plain = plain.map(|(name, value)| (name.clone(), value.clone().into()));
        Ok(Process {
            environment: plain.chain(resolved(&self.secret_env, environment)?).collect(),
            directory: self.directory.clone(),
            ..Process::new(command, &self.args)
        })
    }

    fn address(&self, url: &str, environment: &Environment) -> Result<HttpEndpoint, String> {
        let is_of_process = self.directory.is_some() || !self.args.is_empty();
        if is_of_process || !self.env.is_empty() || !self.secret_env.is_empty() {
            return Err("`args`, `env`, `secret_env` and `directory` go with a `command`".into());
        }
        let parsed = Url::parse(url).map_err(|error| format!("`url` is no address: {error}"))?;
        if !matches!(parsed.scheme(), "http" | "https") {
            return Err("`url` begins with `http://` or `https://`".into());
        }
        if !parsed.username().is_empty() || parsed.password().is_some() {
            return Err("`url` holds no user or password; write them as `secret_headers`".into());
        }
        let plain = self.headers.iter().map(|(name, value)| (name.clone(), value.clone().into()));
        let headers = plain.chain(resolved(&self.secret_headers, environment)?).collect();
        Ok(HttpEndpoint { headers, ..HttpEndpoint::new(url) })
    }
}

fn resolved(
    references: &BTreeMap<String, SecretRef>,
    environment: &Environment,
) -> Result<Vec<(String, SecretString)>, String> {
    let resolve = |(name, reference): (&String, &SecretRef)| {
        let secret = reference.resolve(environment);
        secret.map(|secret| (name.clone(), secret)).map_err(|error| format!("`{name}`: {error}"))
    };
    references.iter().map(resolve).collect()
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn check(keys: &str) -> Result<McpServer, String> {
        let config: McpConfig = toml::from_str(&format!("name = \"docs\"\n{keys}"))
            .map_err(|error| error.message().to_owned())?;
        config.server(&environment())
    }

    fn environment() -> Environment {
        let variables = [("PATH", "/bin"), ("OPENAI_API_KEY", "hush"), ("TOKEN", "hush")];
        variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect()
    }

    #[test]
    fn programs_and_addresses_are_taken() {
        let server = check("command = \"docs-mcp\"\ntimeout_seconds = 5\ntools = [\"a\"]").unwrap();
        assert_eq!(server.options().call_timeout, Duration::from_secs(5));
        assert_eq!(server.options().allowed, Some(vec!["a".into()]));
        let server = check(
            "url = \"http://127.0.0.1:9/mcp\"\nheaders = { a = \"b\" }\n\
             secret_headers = { authorization = \"env:TOKEN\" }",
        )
        .unwrap();
        assert!(!format!("{server:?}").contains("hush"));
    }

    #[test]
    fn a_program_sees_no_keys_but_its_own() {
        let keys = "name = \"docs\"\ncommand = \"docs-mcp\"\nenv = { MODE = \"fast\" }\n\
                    secret_env = { DOCS_TOKEN = \"env:TOKEN\" }";
        let config: McpConfig = toml::from_str(keys).unwrap();
        let process = config.process("docs-mcp", &environment()).unwrap();
        let seen: Vec<_> = process
            .environment
            .iter()
            .map(|(name, value)| format!("{name}={}", value.expose_secret()))
            .collect();
        assert_eq!(seen, ["DOCS_TOKEN=hush", "MODE=fast", "PATH=/bin"]);
    }

    #[test]
    fn what_is_wrong_names_its_key() {
        for (keys, expected) in [
            ("", "either a `command` or a `url`"),
            ("command = \"a\"\nurl = \"http://a.example\"", "either a `command` or a `url`"),
            ("command = \"a\"\nheaders = { a = \"b\" }", "go with a `url`"),
            ("url = \"http://a.example\"\nargs = [\"b\"]", "go with a `command`"),
            ("url = \"a.example\"", "`url` is no address"),
            ("url = \"ftp://a.example\"", "begins with `http://`"),
            ("url = \"http://us:hush@a.example\"", "no user or password"),
            ("command = \"a\"\nsecret_env = { A = \"env:NO\" }", "variable `NO` is not set"),
            ("command = \"a\"\nsecret_env = { A = \"hush\" }", "a secret is written as"),
            ("command = \"a\"\ntimeout = 5", "unknown field `timeout`"),
        ] {
            let error = check(keys).unwrap_err();
            assert!(error.contains(expected), "{keys}: {error}");
            assert!(!error.contains("hush") && !error.contains('\n'), "{error}");
        }
        let config: McpConfig = toml::from_str("name = \"a b\"\ncommand = \"c\"").unwrap();
        assert!(config.server(&environment()).unwrap_err().contains("no name for an MCP server"));
    }
}
