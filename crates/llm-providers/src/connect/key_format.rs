//! [`KeyFormat`]: keys that are more than one text.
//!
//! RAGFlow keeps what a provider needs besides its key in the key itself, as a JSON object. Such keys are understood as
//! they are, so that configurations move over. A plain text is a plain key in every format.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Access;
use crate::transport::BuildError;

/// What a provider's key may be besides a plain text: a JSON object with these fields, all of them texts. Empty texts
/// count as absent, and a field that is not named here is an error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum KeyFormat {
    /// Nothing else.
    #[default]
    Plain,
    /// `api_key`, `api_version` (the variable of that name; without it, 2024-02-01).
    Azure,
    /// `api_key`, `provider_order` (names with commas between them, or a list): only these hosts are asked, in this order.
    #[serde(rename = "openrouter")]
    OpenRouter,
    /// `api_key`, `group_id` (goes into the URL's query as `GroupId`).
    #[serde(rename = "minimax")]
    MiniMax,
    /// `auth_mode`, `bedrock_ak`, `bedrock_sk`, `bedrock_region`, `aws_role_arn`. Only the mode `access_key_secret` (or none)
    /// can be used: the others ask AWS for keys of a role, which is up to a
    /// [`CredentialsSource`](crate::bedrock::CredentialsSource).
    Bedrock,
    /// `google_project_id`, `google_region`, `google_service_account_key` (the key file in base64; without it the machine's own
    /// account counts).
    GoogleCloud,
    /// `ark_api_key`, `ep_id`, `endpoint_id`: the last two, one after the other, are asked in place of any model.
    #[serde(rename = "volcengine")]
    VolcEngine,
    /// `yiyan_ak`, `yiyan_sk`: refused, since API v2 takes a plain key only.
    Baidu,
    /// `fish_audio_ak`, `fish_audio_refid` (the voice for those who name none).
    FishAudio,
}

/// What a key says besides what [`Access`] has a place for.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Unpacked {
    /// Goes into the base URL's query.
    pub(super) query: Vec<(&'static str, String)>,
    /// The model that is asked in place of any other.
    pub(super) model: Option<String>,
}

impl KeyFormat {
    /// Puts what the key holds in its places. A key that is a plain text stays.
    pub(super) fn unpack(self, access: &mut Access) -> Result<Unpacked, BuildError> {
        let mut unpacked = Unpacked::default();
        let Some(mut fields) = self.fields(access.key.as_ref())? else {
            return Ok(unpacked);
        };
        access.key = None;
        match self {
            KeyFormat::Plain => {}
            KeyFormat::Azure => {
                access.key = Some(fields.required("api_key")?.into());
                let version = fields.text("api_version")?;
                let version = version.unwrap_or_else(|| "2024-02-01".to_owned());
                access.variables.entry("api_version".into()).or_insert(version);
            }
            KeyFormat::OpenRouter => {
                access.key = Some(fields.required("api_key")?.into());
                let order = fields.list("provider_order")?;
                if !order.is_empty() {
                    let routing = json!({ "order": order, "allow_fallbacks": false });
                    access.body.entry("provider").or_insert(routing);
                }
            }
            KeyFormat::MiniMax => {
                access.key = Some(fields.required("api_key")?.into());
                unpacked.query.extend(fields.text("group_id")?.map(|group| ("GroupId", group)));
            }
            KeyFormat::Bedrock => unpack_bedrock(&mut fields, access)?,
            KeyFormat::GoogleCloud => unpack_google(&mut fields, access)?,
            KeyFormat::VolcEngine => {
                access.key = Some(fields.required("ark_api_key")?.into());
                let parts = [fields.text("ep_id")?, fields.text("endpoint_id")?];
                unpacked.model = Some(parts.into_iter().flatten().collect::<String>());
                unpacked.model.take_if(|model| model.is_empty());
            }
            KeyFormat::FishAudio => {
                access.key = Some(fields.required("fish_audio_ak")?.into());
                if let Some(voice) = fields.text("fish_audio_refid")? {
                    access.body.entry("reference_id").or_insert(voice.into());
                }
            }
            KeyFormat::Baidu => {
                return Err(error(
                    "API v2 takes an API key (`bce-v3/…`), not a pair of access and secret key",
                ));
            }
        }
        fields.end()?;
        Ok(unpacked)
    }

    /// The fields of a key that is a JSON object.
    fn fields(self, key: Option<&SecretString>) -> Result<Option<KeyFields>, BuildError> {
        let text = key.map(|key| key.expose_secret().trim()).unwrap_or_default();
        if self == KeyFormat::Plain || !text.starts_with('{') {
            return Ok(None);
        }
        // What the parser says could hold the key.
        let fields = serde_json::from_str(text).map_err(|_| error("it is no JSON object"))?;
        // The file of a service account as it is.
        if self == KeyFormat::GoogleCloud
            && matches!(&fields, Value::Object(f) if f.contains_key("type"))
        {
            let file = STANDARD.encode(text);
            let fields = Map::from_iter([("google_service_account_key".to_owned(), file.into())]);
            return Ok(Some(KeyFields(fields)));
        }
        match fields {
            Value::Object(fields) => Ok(Some(KeyFields(fields))),
            _ => Err(error("it is no JSON object")),
        }
    }
}

fn unpack_bedrock(fields: &mut KeyFields, access: &mut Access) -> Result<(), BuildError> {
    let mode = fields.text("auth_mode")?.unwrap_or_else(|| "access_key_secret".to_owned());
    let role = fields.text("aws_role_arn")?;
    let (id, secret) = (fields.text("bedrock_ak")?, fields.text("bedrock_sk")?);
    if let Some(region) = fields.text("bedrock_region")? {
        access.variables.entry("region".into()).or_insert(region);
    }
    match (mode.as_str(), id, secret) {
        ("access_key_secret", Some(id), Some(secret)) if role.is_none() => {
            access.secrets.insert("access_key_id".into(), id.into());
            access.secrets.insert("secret_access_key".into(), secret.into());
            Ok(())
        }
        ("access_key_secret", ..) if role.is_none() => {
            Err(error("`bedrock_ak` and `bedrock_sk` belong together"))
        }
        ("access_key_secret" | "iam_role" | "assume_role", ..) => Err(error(
            "roles are not assumed here; use `auth_mode` `access_key_secret`, or hand in keys of the role",
        )),
        _ => Err(error("`auth_mode` is none of access_key_secret, iam_role and assume_role")),
    }
}

fn unpack_google(fields: &mut KeyFields, access: &mut Access) -> Result<(), BuildError> {
    for (field, variable) in [("google_project_id", "project"), ("google_region", "location")] {
        if let Some(value) = fields.text(field)? {
            access.variables.entry(variable.into()).or_insert(value);
        }
    }
    let Some(file) = fields.text("google_service_account_key")? else {
        return Ok(());
    };
    let file = STANDARD.decode(file.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let file = file.ok_or_else(|| error("`google_service_account_key` is no base64 of a text"))?;
    access.secrets.insert("service_account".into(), file.into());
    Ok(())
}

/// The fields of a key that nobody has taken yet.
struct KeyFields(Map<String, Value>);

impl KeyFields {
    fn text(&mut self, name: &str) -> Result<Option<String>, BuildError> {
        match self.0.remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text).filter(|text| !text.trim().is_empty())),
            Some(_) => Err(error(format!("`{name}` must be a text"))),
        }
    }

    fn required(&mut self, name: &str) -> Result<String, BuildError> {
        self.text(name)?.ok_or_else(|| error(format!("`{name}` is missing")))
    }

    /// A list of texts, or one text with commas between them.
    fn list(&mut self, name: &str) -> Result<Vec<String>, BuildError> {
        let texts: Vec<String> = match self.0.get(name) {
            Some(Value::Array(_)) => {
                let list = self.0.remove(name).unwrap_or_default();
                let wrong = |_| error(format!("`{name}` must be a list of texts"));
                serde_json::from_value(list).map_err(wrong)?
            }
            _ => self.text(name)?.unwrap_or_default().split(',').map(str::to_owned).collect(),
        };
        let texts = texts.iter().map(|text| text.trim().to_owned());
        Ok(texts.filter(|text| !text.is_empty()).collect())
    }

    fn end(&self) -> Result<(), BuildError> {
        match self.0.keys().next() {
            Some(name) => Err(error(format!("its field `{name}` is unknown"))),
            None => Ok(()),
        }
    }
}

fn error(reason: impl Into<String>) -> BuildError {
    BuildError::Key { reason: reason.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unpack(format: KeyFormat, key: impl ToString) -> Result<(Access, Unpacked), String> {
        let key = Some(SecretString::from(key.to_string()));
        let mut access = Access { key, ..Access::default() };
        let unpacked = format.unpack(&mut access).map_err(|error| format!("{error} {error:?}"))?;
        Ok((access, unpacked))
    }

    fn key(access: &Access) -> Option<&str> {
        access.key.as_ref().map(ExposeSecret::expose_secret)
    }

    fn secret<'a>(access: &'a Access, name: &str) -> &'a str {
        access.secrets[name].expose_secret()
    }

    #[test]
    fn a_plain_key_stays_in_every_format() {
        use KeyFormat::*;
        for format in
            [Plain, Azure, OpenRouter, MiniMax, Bedrock, GoogleCloud, VolcEngine, Baidu, FishAudio]
        {
            let (access, unpacked) = unpack(format, "sk-1").unwrap();
            assert_eq!((key(&access), unpacked), (Some("sk-1"), Unpacked::default()));
        }
        let (access, _) = unpack(Plain, r#"{"api_key":"a"}"#).unwrap();
        assert_eq!(key(&access), Some(r#"{"api_key":"a"}"#));
    }

    #[test]
    fn azure_and_minimax_put_their_field_into_the_url() {
        let (access, _) =
            unpack(KeyFormat::Azure, json!({ "api_key": "k", "api_version": "v" })).unwrap();
        assert_eq!((key(&access), access.variables["api_version"].as_str()), (Some("k"), "v"));
        let (access, _) = unpack(KeyFormat::Azure, json!({ "api_key": "k" })).unwrap();
        assert_eq!(access.variables["api_version"], "2024-02-01");
        let (access, unpacked) =
            unpack(KeyFormat::MiniMax, json!({ "api_key": "k", "group_id": "7" })).unwrap();
        assert_eq!((key(&access), unpacked.query), (Some("k"), vec![("GroupId", "7".to_owned())]));
    }

    #[test]
    fn openrouters_order_goes_into_the_body() {
        for order in [json!("a, b,"), json!(["a", " b"])] {
            let given = json!({ "api_key": "k", "provider_order": order });
            let (access, _) = unpack(KeyFormat::OpenRouter, given).unwrap();
            let expected = json!({ "order": ["a", "b"], "allow_fallbacks": false });
            assert_eq!((key(&access), &access.body["provider"]), (Some("k"), &expected));
        }
        let given = json!({ "api_key": "k", "provider_order": "" });
        assert!(unpack(KeyFormat::OpenRouter, given).unwrap().0.body.is_empty());
    }

    #[test]
    fn clouds_get_their_keys_and_regions() {
        let given = json!({
            "auth_mode": "access_key_secret", "bedrock_ak": "id", "bedrock_sk": "s",
            "bedrock_region": "eu-1", "aws_role_arn": "",
        });
        let (access, _) = unpack(KeyFormat::Bedrock, given).unwrap();
        assert_eq!((key(&access), access.variables["region"].as_str()), (None, "eu-1"));
        assert_eq!(secret(&access, "access_key_id"), "id");
        assert_eq!(secret(&access, "secret_access_key"), "s");

        let file = STANDARD.encode("{}");
        let given = json!({
            "google_project_id": "p", "google_region": "l", "google_service_account_key": file,
        });
        let (access, _) = unpack(KeyFormat::GoogleCloud, given).unwrap();
        assert_eq!(access.variables["project"], "p");
        assert_eq!(access.variables["location"], "l");
        assert_eq!((key(&access), secret(&access, "service_account")), (None, "{}"));
        // Also the key file of the service account itself.
        let file = json!({ "type": "service_account" }).to_string();
        let (access, _) = unpack(KeyFormat::GoogleCloud, &file).unwrap();
        assert_eq!(secret(&access, "service_account"), file);
    }

    #[test]
    fn a_voice_goes_into_the_body() {
        let given = json!({ "fish_audio_ak": "k", "fish_audio_refid": "v" });
        let (access, _) = unpack(KeyFormat::FishAudio, given).unwrap();
        assert_eq!((key(&access), &access.body["reference_id"]), (Some("k"), &json!("v")));
    }

    #[test]
    fn an_endpoint_is_asked_in_place_of_the_model() {
        for (ep, endpoint, model) in
            [("ep-1", "", Some("ep-1")), ("ep-", "2", Some("ep-2")), ("", "", None)]
        {
            let given = json!({ "ark_api_key": "k", "ep_id": ep, "endpoint_id": endpoint });
            let (access, unpacked) = unpack(KeyFormat::VolcEngine, given).unwrap();
            assert_eq!((key(&access), unpacked.model.as_deref()), (Some("k"), model));
        }
    }

    #[test]
    fn what_is_wrong_is_said_without_the_key() {
        use KeyFormat::*;
        for (format, given, reason) in [
            (OpenRouter, "{\"api_key\": \"hush\"".to_owned(), "no JSON object"),
            (OpenRouter, json!({ "provider_order": "hush" }).to_string(), "`api_key` is missing"),
            (OpenRouter, json!({ "api_key": ["hush"] }).to_string(), "`api_key` must be a text"),
            (MiniMax, json!({ "api_key": "hush", "group": "1" }).to_string(), "`group` is unknown"),
            (Bedrock, json!({ "bedrock_ak": "hush" }).to_string(), "belong together"),
            (Bedrock, json!({ "auth_mode": "hush" }).to_string(), "`auth_mode` is none"),
            (Bedrock, json!({ "auth_mode": "assume_role" }).to_string(), "roles are not assumed"),
            (
                Bedrock,
                json!({ "auth_mode": "iam_role", "aws_role_arn": "hush" }).to_string(),
                "roles",
            ),
            (GoogleCloud, json!({ "google_service_account_key": "hush!" }).to_string(), "base64"),
            (Baidu, json!({ "yiyan_ak": "hush", "yiyan_sk": "hush" }).to_string(), "API v2"),
        ] {
            let error = unpack(format, given).unwrap_err();
            assert!(error.contains(reason) && !error.contains("hush"), "{error}");
        }
    }
}
