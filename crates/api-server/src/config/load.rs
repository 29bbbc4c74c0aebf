//! Reading the configuration: file, then environment, over the defaults.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use dialog_service::Dialog;
use toml::{Table, Value};

use super::{Config, local_model};

/// The environment's variables, read once at start.
pub type Environment = BTreeMap<String, String>;

/// Variables that set configuration begin with this.
const PREFIX: &str = "COLLOQUY_";

/// A configuration that cannot be used, in one line.
#[derive(Debug, thiserror::Error)]
#[error("{place}: {reason}")]
pub struct ConfigError {
    place: String,
    reason: String,
}

impl ConfigError {
    /// `place` is the file, variable or key at fault.
    pub fn new(place: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { place: place.into(), reason: reason.into() }
    }
}

/// Reads `file`, or `colloquy.toml` in the working directory where there is one, and lays the environment over it.
///
/// # Errors
/// A file that cannot be read, broken TOML, an unknown key (with the nearest known one), a value of the wrong type.
pub fn load(file: Option<&Path>, environment: &Environment) -> Result<Config, ConfigError> {
    let (path, text) = read(file)?;
    let place = path.map_or_else(|| "the environment".into(), |path| path.display().to_string());
    // Read once by itself, so that what is wrong in the file is reported with its line.
    toml::from_str::<Config>(&text).map_err(|error| in_file(&place, &text, &error))?;
    let mut table: Table = toml::from_str(&text).map_err(|error| in_file(&place, &text, &error))?;
    for (name, value) in environment {
        if let Some(path) = name.strip_prefix(PREFIX) {
            set(&mut table, path, value)
                .map_err(|reason| ConfigError::new(format!("variable {name}"), reason))?;
        }
    }
    let config: Config = Value::Table(table.clone())
        .try_into()
        .map_err(|error: toml::de::Error| ConfigError::new(place, with_nearest(error.message())))?;
    check(&config)?;
    Ok(Config { read_from: table, ..config })
}

fn read(file: Option<&Path>) -> Result<(Option<PathBuf>, String), ConfigError> {
    let (path, must_exist) = match file {
        Some(path) => (path, true),
        None => (Path::new("colloquy.toml"), false),
    };
    match std::fs::read_to_string(path) {
        Ok(text) => Ok((Some(path.to_owned()), text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !must_exist => {
            Ok((None, String::new()))
        }
        Err(error) => {
            Err(ConfigError::new(path.display().to_string(), format!("cannot be read: {error}")))
        }
    }
}

fn in_file(place: &str, text: &str, error: &toml::de::Error) -> ConfigError {
    let line = error
        .span()
        .and_then(|span| text.get(..span.start))
        .map(|before| before.matches('\n').count() + 1);
    let place = line.map_or_else(|| place.to_owned(), |line| format!("{place}, line {line}"));
    ConfigError::new(place, with_nearest(error.message()))
}

/// Adds the nearest of the names that serde lists after "expected".
fn with_nearest(message: &str) -> String {
    let message = message.replace('\n', " ");
    let names: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    match names.split_first() {
        Some((wrong, known)) if message.contains("unknown") && known.len() > 1 => known
            .iter()
            .map(|name| (strsim::jaro_winkler(wrong, name), name))
            .max_by(|(a, _), (b, _)| a.total_cmp(b))
            .filter(|(nearness, _)| *nearness > 0.7)
            .map_or_else(
                || message.clone(),
                |(_, name)| format!("{message}; did you mean `{name}`?"),
            ),
        _ => message,
    }
}

/// Sets the key that a variable's name spells (`SERVER__LISTEN` is `server.listen`). The value is TOML where it parses
/// as such, else a plain string.
fn set(table: &mut Table, path: &str, value: &str) -> Result<(), String> {
    let keys: Vec<String> = path.split("__").map(str::to_lowercase).collect();
    let Some((last, sections)) = keys.split_last().filter(|_| keys.iter().all(|k| !k.is_empty()))
    else {
        return Err("names no key; write COLLOQUY_SECTION__KEY".into());
    };
    let mut at = table;
    for section in sections {
        at = match at.entry(section.clone()).or_insert_with(|| Value::Table(Table::new())) {
            Value::Table(inner) => inner,
            _ => return Err(format!("`{section}` is not a section")),
        };
    }
    let parsed = toml::from_str::<Table>(&format!("value = {value}"))
        .ok()
        .and_then(|mut table| table.remove("value"));
    at.insert(last.clone(), parsed.unwrap_or_else(|| Value::String(value.to_owned())));
    Ok(())
}

/// What types alone cannot say.
fn check(config: &Config) -> Result<(), ConfigError> {
    for model in &config.model {
        let place = format!("[[model]] `{}`", model.name);
        if model.name.contains('/') {
            return Err(ConfigError::new(place, "the name of a model of your own has no slash"));
        }
        if model.targets.is_empty() {
            return Err(ConfigError::new(place, "name at least one target"));
        }
        if model.weights.len() > model.targets.len() {
            return Err(ConfigError::new(place, "there are more weights than targets"));
        }
        if model.hedge_percentile.is_some_and(|share| !(0.5..1.0).contains(&share)) {
            return Err(ConfigError::new(place, "`hedge_percentile` lies between 0.5 and 1"));
        }
    }
    config.server.check()?;
    local_model::check(&config.local_model)?;
    config.limits.check()?;
    config.cache.check(&config.shared)?;
    if config.recordings.record.is_some() && config.recordings.replay.is_some() {
        let reason = "choose one of `record` and `replay`";
        return Err(ConfigError::new("[recordings]", reason));
    }
    if !(0.0..=1.0).contains(&config.telemetry.sample_ratio) {
        return Err(ConfigError::new("[telemetry]", "`sample_ratio` lies between 0 and 1"));
    }
    if config.telemetry.capture_content && !config.telemetry.is_on() {
        let reason = "`capture_content` needs an `otlp_endpoint`";
        return Err(ConfigError::new("[telemetry]", reason));
    }
    let weight = config.dialog.vector_weight.unwrap_or(0.0);
    if !(0.0..=1.0).contains(&weight) || !(0.0..=1.0).contains(&config.dialog.threshold) {
        return Err(ConfigError::new("[dialog]", "weights and thresholds lie between 0 and 1"));
    }
    if config.dialog.languages.len() > Dialog::MOST_LANGUAGES {
        let reason = format!("`languages` are {} at most", Dialog::MOST_LANGUAGES);
        return Err(ConfigError::new("[dialog]", reason));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_load(file: &str, variables: &[(&str, &str)]) -> Result<Config, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("colloquy.toml");
        std::fs::write(&path, file).unwrap();
        let environment =
            variables.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        load(Some(&path), &environment)
            .map_err(|error| error.to_string().replace(&path.display().to_string(), "FILE"))
    }

    #[test]
    fn environment_wins_over_the_file() {
        let config = check_load(
            "[server]\nlisten = \"127.0.0.1:1\"\ndrain_seconds = 3",
            &[("COLLOQUY_SERVER__LISTEN", "127.0.0.1:2"), ("COLLOQUY_DIALOG__TOP", "3")],
        )
        .unwrap();
        assert_eq!(config.server.listen.port(), 2);
        assert_eq!((config.server.drain_seconds, config.dialog.top), (3, 3));
    }

    #[test]
    fn what_is_wrong_is_said_in_one_line() {
        for (file, variables, expected) in [
            ("[server]\nlisten_on = 1", vec![], "did you mean `listen`?"),
            ("\n[sever]\n", vec![], "FILE, line 2: unknown field `sever`"),
            ("[server]\nlisten = 5", vec![], "FILE, line 2: "),
            ("[server]\nheader_seconds = 0", vec![], "nonzero"),
            ("[server]\nmax_header_bytes = 100", vec![], "[server]: `max_header_bytes` lies"),
            ("[server]\nmax_tenant_share = 0.0", vec![], "[server]: `max_tenant_share` lies"),
            ("[server.tls]\ncertificate = \"a.pem\"", vec![], "missing field `key`"),
            ("", vec![("COLLOQUY_SERVER__LISTN", "x")], "did you mean `listen`?"),
            ("", vec![("COLLOQUY_", "x")], "variable COLLOQUY_: names no key"),
            (
                "[[provider]]\nname = \"openai\"\napi_key = \"sk-123\"",
                vec![],
                "a secret is written as `env:NAME` or `file:PATH`",
            ),
            ("[limits.tenant]\nrequests = 5", vec![], "did you mean `requests_per_minute`?"),
            (
                "[limits.keys.k]\ndollars_per_day = -1",
                vec![],
                "[limits.keys.k]: `dollars_per_day` lies between 0 and a million",
            ),
            (
                "[shared]\nredis = \"redis://:hush@host\"",
                vec![],
                "an address with a password is a secret; write `env:NAME` or `file:PATH`",
            ),
            (
                "[shared]\nredis = \"localhost\"",
                vec![],
                "an address of Redis is `redis://host:port`",
            ),
            (
                "[telemetry]\nsample_ratio = 20",
                vec![],
                "[telemetry]: `sample_ratio` lies between 0 and 1",
            ),
            (
                "[telemetry]\ncapture_content = true",
                vec![],
                "[telemetry]: `capture_content` needs an `otlp_endpoint`",
            ),
            ("[usage]\nretention = 3", vec![], "did you mean `retention_days`?"),
            (
                "[[model]]\nname = \"a\"\ntargets = []",
                vec![],
                "[[model]] `a`: name at least one target",
            ),
            (
                "[[model]]\nname = \"a\"\ntargets = [\"b/c\"]\nstrategy = \"fastest\"",
                vec![],
                "unknown variant `fastest`",
            ),
            (
                "[[model]]\nname = \"a\"\ntargets = [\"b/c\"]\nhedge_percentile = 95",
                vec![],
                "`hedge_percentile` lies between 0.5 and 1",
            ),
            (
                "[[local_model]]\nname = \"static\"\npath = \"a\"",
                vec![],
                "[[local_model]] `static`: there is another local model of this name",
            ),
            (
                "[[local_model]]\nname = \"m\"\npath = \"a\"\nhub = \"b/c\"",
                vec![],
                "[[local_model]] `m`: say where it is by one of `path` and `hub`",
            ),
            (
                "[[local_model]]\nname = \"a/b\"\npath = \"a\"",
                vec![],
                "[[local_model]] `a/b`: choose a name without a slash",
            ),
            (
                "[recordings]\nrecord = \"a\"",
                vec![("COLLOQUY_RECORDINGS__REPLAY", "b")],
                "[recordings]: choose one of `record` and `replay`",
            ),
            ("[dialog]\nthreshold = 2", vec![], "[dialog]: weights and thresholds"),
            (
                "[dialog]\nlanguages = [\"\", \"\", \"\", \"\", \"\", \"\", \"\", \"\", \"\"]",
                vec![],
                "[dialog]: `languages` are 8 at most",
            ),
            ("[cache]\nmod = \"off\"", vec![], "did you mean `mode`?"),
            ("[cache]\nttl_seconds = 0", vec![], "nonzero"),
            ("[cache]\nmode = \"semantic\"", vec![], "[cache]: the mode `semantic` needs"),
            ("[cache]\nstore = \"redis\"", vec![], "[cache]: the store `redis` needs"),
            (
                "[cache.semantic]\nembedding = \"a/b\"\nthreshold = 1.5",
                vec![],
                "[cache]: `threshold` lies",
            ),
        ] {
            let error = check_load(file, &variables).unwrap_err();
            assert!(error.contains(expected), "{error}");
            assert!(!error.contains('\n') && !error.contains("sk-123"), "{error}");
        }
    }
}
