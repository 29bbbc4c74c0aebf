//! [`Transport`]: the one HTTP client of a provider instance, with everything about it bounded.
//!
//! | limit | where | unless set |
//! |---|---|---|
//! | a connection: name, proxy, TCP, TLS | [`TransportOptions::connect_timeout`] | 10 s |
//! | silence on the socket: before the head, or between two reads | [`TransportOptions::read_timeout`] | 600 s |
//! | a peer that is gone without a sign | [`TransportOptions::tcp_keep_alive`]; pings of HTTP/2 while a stream lives | 60 s; 30 s, answered within 20 s |
//! | an unused connection | [`TransportOptions::pool_idle_timeout`] | 90 s |
//! | bytes of a body, an error, an event | [`TransportOptions::max_body_bytes`] … | 256 MiB, 1 MiB, 8 MiB |
//! | the first event, the gap between two, the whole call | the guards around a model, in the crate `llm-bundle` | 60 s, 60 s, 10 min |

mod options;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt, stream};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use llm_core::{ErrorKind, ModelError, Operation, Retry};
use reqwest::dns::Resolve;
use reqwest::{Body, Client, RequestBuilder, Response};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::address_guard::{self, AddressPolicy, NoPublicAddress, PublicAddresses, SystemNames};
use crate::asking::with_asked;
use crate::form::Form;
use crate::proxy::Proxy;
use crate::rate_limits::rate_limits;
use crate::raw::{RawBody, RawRequest, RawResponse};
use crate::tls;

pub use self::options::TransportOptions;
pub use crate::build_error::BuildError;

/// One pool of connections to one base URL, shared by all models of a provider instance. Cheap to clone.
///
/// HTTP/2 where the provider offers it; redirects are not followed, since they could carry the key elsewhere.
#[derive(Clone, Debug)]
pub struct Transport {
    client: Client,
    base: Url,
    headers: HeaderMap,
    options: Arc<TransportOptions>,
}

impl Transport {
    /// A transport to `base_url` that sends `headers` with every request.
    ///
    /// # Errors
    /// When the URL is none or leads where it may not, or the proxy or TLS cannot be set up.
    pub fn new(
        base_url: &str,
        headers: HeaderMap,
        options: TransportOptions,
    ) -> Result<Self, BuildError> {
        Self::with_names(base_url, headers, options, Arc::new(SystemNames))
    }

    /// The same with the addresses of names from `names`, where these are looked at.
    fn with_names(
        base_url: &str,
        headers: HeaderMap,
        options: TransportOptions,
        names: Arc<dyn Resolve>,
    ) -> Result<Self, BuildError> {
        let base = parse_base(base_url)?;
        let uses_tls = base.scheme() == "https" || options.proxy.is_some() || options.system_proxy;
        let certificate = options.client_certificate.as_ref();
        let tls = tls::client_config(uses_tls, &options.ca_certificates, certificate)?;
        let mut builder = Client::builder()
            .tls_backend_preconfigured(tls)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .user_agent(concat!("colloquy/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(options.connect_timeout)
            .read_timeout(options.read_timeout)
            .pool_idle_timeout(options.pool_idle_timeout)
            .tcp_nodelay(true)
            .tcp_keepalive(options.tcp_keep_alive)
            .http2_keep_alive_interval(Duration::from_secs(30))
            .http2_keep_alive_timeout(Duration::from_secs(20))
            .http2_adaptive_window(true);
        if let Some(proxy) = &options.proxy {
            let proxy = proxy.to_reqwest();
            builder = builder.proxy(proxy.map_err(|_| BuildError::proxy("it cannot be read"))?);
        } else if !options.system_proxy {
            builder = builder.no_proxy();
        }
        if options.addresses == AddressPolicy::Public {
            builder = builder.dns_resolver(public_names(&base, &options, names)?);
        }
        let client = builder.build().map_err(BuildError::client)?;
        Ok(Self { client, base, headers, options: Arc::new(options) })
    }

    /// Its limits.
    pub fn options(&self) -> &TransportOptions {
        &self.options
    }

    /// Where it sends to.
    pub fn base_url(&self) -> &Url {
        &self.base
    }

    /// Sends a JSON body to `path` below the base URL and returns the response's head, whatever its status.
    ///
    /// # Errors
    /// `Connection` or `Timeout` when no head came.
    pub async fn post(
        &self,
        operation: Operation,
        path: &str,
        headers: HeaderMap,
        body: Vec<u8>,
    ) -> Result<Response, ModelError> {
        let request = self
            .client
            .request(Method::POST, self.url(path))
            .headers(self.headers.clone())
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .headers(headers)
            .body(body);
        self.sent(operation, request).await
    }

    /// Sends a request and tells what the response's head says of limits.
    async fn sent(
        &self,
        operation: Operation,
        request: RequestBuilder,
    ) -> Result<Response, ModelError> {
        let response = request.send().await.map_err(|error| transport_error(operation, error))?;
        if let Some(sink) = &self.options.rate_limits {
            with_asked(|model| {
                let limits = rate_limits(response.headers(), now());
                if !limits.is_unknown() {
                    sink.seen(&model.name.provider, &model.name.model, &limits);
                }
            });
        }
        Ok(response)
    }

    /// Sends a form to `path` below the base URL and returns the response's head, whatever its status. Its files are
    /// sent from where they are, without a copy.
    ///
    /// # Errors
    /// `InvalidRequest` when it exceeds [`TransportOptions::max_form_bytes`]; else as [`Transport::post`].
    pub async fn post_form(
        &self,
        operation: Operation,
        path: &str,
        headers: HeaderMap,
        form: Form,
    ) -> Result<Response, ModelError> {
        let request = self.client.request(Method::POST, self.url(path));
        let request = request.headers(self.headers.clone()).headers(headers);
        let request = self.with_form(operation, request, form)?;
        self.sent(operation, request).await
    }

    /// The same request with a form for body.
    fn with_form(
        &self,
        operation: Operation,
        request: RequestBuilder,
        form: Form,
    ) -> Result<RequestBuilder, ModelError> {
        let form = form.encode();
        let max = self.options.max_form_bytes;
        if form.length > max as u64 {
            let message = format!("the form has {} bytes; the most is {max}", form.length);
            return Err(ModelError::new(ErrorKind::InvalidRequest, operation, message));
        }
        let headers = HeaderMap::from_iter([
            (CONTENT_TYPE, form.content_type),
            (CONTENT_LENGTH, HeaderValue::from(form.length)),
        ]);
        let pieces = form.pieces.into_iter().map(Ok::<_, std::convert::Infallible>);
        Ok(request.headers(headers).body(Body::wrap_stream(stream::iter(pieces))))
    }

    /// Sends a request in the provider's own terms and returns the response's head, whatever its status. `headers` are
    /// the client's own and give way to the request's.
    ///
    /// # Errors
    /// `InvalidRequest` for a path that climbs, a header that HTTP does not allow and a body that is too large; else as
    /// [`Transport::post`].
    pub(crate) async fn send(
        &self,
        operation: Operation,
        raw: RawRequest,
        mut headers: HeaderMap,
    ) -> Result<Response, ModelError> {
        headers.extend(extra_headers(operation, &raw.headers)?);
        let url = self.raw_url(operation, &raw)?;
        let request = self.client.request(raw.method, url).headers(self.headers.clone());
        let request = match raw.body {
            RawBody::Empty => request.headers(headers),
            RawBody::Form(form) => self.with_form(operation, request.headers(headers), form)?,
            RawBody::Json(body) => {
                let media_type = HeaderValue::from_static("application/json");
                headers.entry(CONTENT_TYPE).or_insert(media_type);
                request.headers(headers).body(body.to_string())
            }
            RawBody::Bytes { media_type, data } => {
                if data.len() > self.options.max_form_bytes {
                    let message = format!("the body has {} bytes, which is too many", data.len());
                    return Err(ModelError::new(ErrorKind::InvalidRequest, operation, message));
                }
                let media_type = HeaderValue::try_from(media_type).map_err(|_| {
                    let message = "the media type is no header";
                    ModelError::new(ErrorKind::InvalidRequest, operation, message)
                })?;
                headers.entry(CONTENT_TYPE).or_insert(media_type);
                request.headers(headers).body(data)
            }
        };
        self.sent(operation, request).await
    }

    /// The URL of a raw request, which never leaves the host.
    fn raw_url(&self, operation: Operation, raw: &RawRequest) -> Result<Url, ModelError> {
        let path = raw.path.split('?').next().unwrap_or_default();
        let climbs = path.split(['/', '\\']).any(|segment| {
            matches!(segment.replace("%2e", ".").replace("%2E", ".").as_str(), "." | "..")
        });
        if climbs || path.contains('#') {
            let message = format!("the path `{path}` leads elsewhere");
            return Err(ModelError::new(ErrorKind::InvalidRequest, operation, message));
        }
        let mut url = self.url(&raw.path);
        if path.starts_with('/') {
            url.set_path(path);
        }
        if !raw.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&raw.query);
        }
        Ok(url)
    }

    /// Asks for `path` below the base URL and returns the response's head, whatever its status.
    ///
    /// # Errors
    /// As [`Transport::post`].
    pub async fn get(&self, operation: Operation, path: &str) -> Result<Response, ModelError> {
        let request = self
            .client
            .request(Method::GET, self.url(path))
            .headers(self.headers.clone())
            .header(ACCEPT, HeaderValue::from_static("application/json"));
        self.sent(operation, request).await
    }

    /// Sends a request without a body to `path` below the base URL, with a query besides the base URL's own, and returns
    /// the response's head, whatever its status.
    ///
    /// # Errors
    /// As [`Transport::post`].
    pub(crate) async fn ask(
        &self,
        operation: Operation,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        headers: HeaderMap,
    ) -> Result<Response, ModelError> {
        let mut url = self.url(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let request =
            self.client.request(method, url).headers(self.headers.clone()).headers(headers);
        self.sent(operation, request).await
    }

    /// The whole body of a successful response.
    ///
    /// # Errors
    /// `Malformed` when it exceeds [`TransportOptions::max_body_bytes`]; `Connection` when it breaks off.
    pub async fn read_body(
        &self,
        operation: Operation,
        response: Response,
    ) -> Result<Bytes, ModelError> {
        self.read_stream(operation, body_stream(operation, response)).await
    }

    /// A successful response in the provider's own terms.
    ///
    /// # Errors
    /// As [`Transport::read_body`].
    pub(crate) async fn read_raw(
        &self,
        operation: Operation,
        response: Response,
    ) -> Result<RawResponse, ModelError> {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = self.read_body(operation, response).await?;
        Ok(RawResponse { status, headers, body })
    }

    /// The same for a body that has been opened already.
    pub(crate) async fn read_stream(
        &self,
        operation: Operation,
        body: impl Stream<Item = Result<Bytes, ModelError>>,
    ) -> Result<Bytes, ModelError> {
        let max = self.options.max_body_bytes;
        let (body, is_whole) = read_at_most(body, max).await?;
        if is_whole {
            return Ok(body);
        }
        let message = format!("the answer is longer than {max} bytes");
        Err(ModelError::new(ErrorKind::Malformed, operation, message))
    }

    /// The beginning of the body of a failed response; what cannot be read is left out.
    pub async fn read_error_body(&self, operation: Operation, response: Response) -> Bytes {
        let max = self.options.max_error_bytes;
        match read_at_most(body_stream(operation, response), max).await {
            Ok((body, _)) => body,
            Err(_) => Bytes::new(),
        }
    }

    /// `path` below the base URL; a query after `?` joins the base's own.
    pub(crate) fn url(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        if !query.is_empty() {
            let base_query = url.query().filter(|base| !base.is_empty());
            let joined = base_query.map_or(query.to_owned(), |base| format!("{base}&{query}"));
            url.set_query(Some(&joined));
        }
        if path.is_empty() {
            return url;
        }
        let base_path = url.path().trim_end_matches('/');
        let path = format!("{base_path}/{}", path.trim_start_matches('/'));
        url.set_path(&path);
        url
    }
}

/// The body of a response as a stream, with errors of this vocabulary.
pub(crate) fn body_stream(
    operation: Operation,
    response: Response,
) -> impl Stream<Item = Result<Bytes, ModelError>> + Send + 'static {
    response
        .bytes_stream()
        .map(move |chunk| chunk.map_err(|error| transport_error(operation, error)))
}

/// The first `max` bytes of a body, and whether that is all of it.
async fn read_at_most(
    chunks: impl Stream<Item = Result<Bytes, ModelError>>,
    max: usize,
) -> Result<(Bytes, bool), ModelError> {
    let mut body = BytesMut::new();
    let mut chunks = std::pin::pin!(chunks);
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk?;
        let room = max - body.len();
        if chunk.len() > room {
            body.extend_from_slice(&chunk[..room]);
            return Ok((body.freeze(), false));
        }
        body.extend_from_slice(&chunk);
    }
    Ok((body.freeze(), true))
}

/// A header that must not show up in logs.
///
/// # Errors
/// When the secret holds characters that HTTP does not allow in a header.
pub(crate) fn bearer(secret: &SecretString) -> Result<(HeaderName, HeaderValue), BuildError> {
    let name = AUTHORIZATION;
    let mut value = HeaderValue::try_from(format!("Bearer {}", secret.expose_secret().trim()))
        .map_err(|_| BuildError::Header { name: name.to_string() })?;
    value.set_sensitive(true);
    Ok((name, value))
}

/// A secret as it is, in a header that must not show up in logs.
///
/// # Errors
/// As [`bearer`].
pub(crate) fn secret_header(
    name: &HeaderName,
    secret: &SecretString,
) -> Result<HeaderValue, BuildError> {
    let mut value = HeaderValue::try_from(secret.expose_secret().trim())
        .map_err(|_| BuildError::Header { name: name.to_string() })?;
    value.set_sensitive(true);
    Ok(value)
}

/// Headers of every request of an instance, as whoever set it up named them; of several values under one name
/// the last counts.
///
/// # Errors
/// [`BuildError::Header`] for a name or value that HTTP does not allow; the value is not shown.
pub(crate) fn instance_headers(headers: &[(String, String)]) -> Result<HeaderMap, BuildError> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let error = || BuildError::Header { name: name.clone() };
        let parsed = HeaderName::try_from(name.as_str()).map_err(|_| error())?;
        map.insert(parsed, HeaderValue::try_from(value).map_err(|_| error())?);
    }
    Ok(map)
}

/// Headers of one request, as its caller named them.
///
/// # Errors
/// `InvalidRequest` for headers that HTTP does not allow, and for those that frame the message.
pub(crate) fn extra_headers<'a>(
    operation: Operation,
    headers: impl IntoIterator<Item = (&'a String, &'a String)>,
) -> Result<HeaderMap, ModelError> {
    const FRAMING: [&str; 4] = ["host", "content-length", "transfer-encoding", "connection"];
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let parsed =
            HeaderName::try_from(name.as_str()).ok().zip(HeaderValue::try_from(value).ok());
        match parsed {
            Some((name, value)) if !FRAMING.contains(&name.as_str()) => {
                map.insert(name, value);
            }
            _ => {
                let message = format!("the header `{name}` cannot be sent");
                return Err(ModelError::new(ErrorKind::InvalidRequest, operation, message)
                    .with_param("extra_headers"));
            }
        }
    }
    Ok(map)
}

/// The time, for headers that hold dates.
pub(crate) fn now() -> SystemTime {
    SystemTime::now()
}

fn parse_base(text: &str) -> Result<Url, BuildError> {
    let error = |reason: String| BuildError::BaseUrl { url: text.to_owned(), reason };
    let base = Url::parse(text).map_err(|problem| error(problem.to_string()))?;
    if !matches!(base.scheme(), "http" | "https") {
        return Err(error("it must begin with http:// or https://".into()));
    }
    if !base.username().is_empty() || base.password().is_some() {
        return Err(BuildError::BaseUrl {
            url: "[redacted]".into(),
            reason: "it must not hold a user name or password".into(),
        });
    }
    Ok(base)
}

/// The resolver of a transport to public addresses, once base URL and proxy allow one.
fn public_names(
    base: &Url,
    options: &TransportOptions,
    names: Arc<dyn Resolve>,
) -> Result<PublicAddresses, BuildError> {
    address_guard::check_host(base)?;
    let proxy = options.proxy.as_ref();
    if proxy.map_or(options.system_proxy, |proxy| !proxy.is_trusted()) {
        return Err(BuildError::proxy(
            "it looks up names by itself; declare that it is trusted to keep from private addresses",
        ));
    }
    let proxy_host = proxy.and_then(Proxy::host);
    let host = base.host_str().unwrap_or_default();
    if proxy_host.is_some_and(|proxy| proxy.eq_ignore_ascii_case(host)) {
        return Err(BuildError::Address { host: host.to_owned() });
    }
    Ok(PublicAddresses::new(names, proxy_host.map(str::to_owned)))
}

fn transport_error(operation: Operation, error: reqwest::Error) -> ModelError {
    if let Some(refused) = cause::<NoPublicAddress>(&error) {
        return ModelError::new(ErrorKind::Permission, operation, refused.to_string())
            .with_param("base_url");
    }
    if let Some(message) = cause(&error).and_then(no_tls) {
        return ModelError::new(ErrorKind::Connection, operation, message)
            .with_retry(Retry::Exhausted)
            .with_source(error.without_url());
    }
    let (kind, message) = if error.is_connect() && error.is_timeout() {
        (ErrorKind::Timeout, "the connection was not made in time")
    } else if error.is_connect() {
        (ErrorKind::Connection, "the connection could not be made")
    } else if error.is_timeout() {
        (ErrorKind::Timeout, "the provider fell silent")
    } else if error.is_builder() {
        (ErrorKind::InvalidRequest, "the request could not be put together")
    } else {
        (ErrorKind::Connection, "the connection broke")
    };
    ModelError::new(kind, operation, message).with_source(error.without_url())
}

/// What is wrong with the other side's TLS, where that will not be better a moment later.
fn no_tls(error: &rustls::Error) -> Option<&'static str> {
    match error {
        rustls::Error::InvalidCertificate(_) => Some("the provider's certificate is not trusted"),
        rustls::Error::InvalidMessage(_) => Some("the provider does not speak TLS at this address"),
        _ => None,
    }
}

/// The cause of this type, however deep.
fn cause<'a, E: std::error::Error + 'static>(
    error: &'a (dyn std::error::Error + 'static),
) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        // What an I/O error wraps is not its source.
        let wrapped = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        next = match wrapped {
            Some(wrapped) => Some(wrapped),
            None => error.source(),
        };
    }
    None
}

#[cfg(test)]
mod tests;
