//! One request to a service, and what its answer means.
//!
//! Promises: it ends by its deadline; of an answer no more than [`LONGEST`] is read; a redirect is told and not followed;
//! connections are not kept, for messages are rare and routers forget. Must not know: what is sent.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioTimer},
};
use serde_json::Value;

use super::{
    text::cut,
    undelivered::{Attempt, Fault, Undelivered},
};
use crate::{
    clock::Clock,
    config::{Secret, ServiceUrl},
    dial::{Connector, Origin, ProxySettings},
    retry_after::retry_after,
};

/// The most of an answer that is read.
const LONGEST: usize = 16 << 10;
/// The longest rest that an answer's body may ask for.
const LONGEST_REST: Duration = Duration::from_secs(3600);

/// A client for one receiver.
pub(super) struct Http {
    client: Client<Connector, Full<Bytes>>,
    proxy: ProxySettings,
    clock: Clock,
    deadline: Duration,
}

/// A request.
pub(super) struct Call<'a> {
    pub(super) operation: &'static str,
    pub(super) method: Method,
    /// Whom it goes to, for errors.
    pub(super) service: &'a ServiceUrl,
    /// The whole URL, which may hold a secret.
    pub(super) url: String,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) body: String,
    /// What an answer may repeat and an error must not.
    pub(super) hide: Vec<&'a Secret>,
}

impl<'a> Call<'a> {
    /// A `POST` of JSON to the service's own URL.
    pub(super) fn json(service: &'a ServiceUrl, body: &Value) -> Self {
        Self {
            operation: "post to",
            method: Method::POST,
            body: body.to_string(),
            ..Self::get(service)
        }
    }

    /// A `GET` of the service's own URL.
    pub(super) fn get(service: &'a ServiceUrl) -> Self {
        Self {
            operation: "call",
            method: Method::GET,
            service,
            url: service.expose().to_owned(),
            headers: Vec::new(),
            body: String::new(),
            hide: Vec::new(),
        }
    }

    /// The same service, somewhere below its URL.
    pub(super) fn below(mut self, path: &str) -> Self {
        self.url = format!("{}{path}", self.service.expose().trim_end_matches('/'));
        self
    }

    /// With a token that goes into `Authorization`.
    pub(super) fn bearing(mut self, token: &'a Secret) -> Self {
        self.hide.push(token);
        // What cannot stand in a header is answered with 401, which says what is wrong.
        if let Ok(mut value) = HeaderValue::try_from(format!("Bearer {}", token.expose())) {
            value.set_sensitive(true);
            self.headers.push((header::AUTHORIZATION, value));
        }
        self
    }
}

impl Http {
    pub(super) fn new(connector: Connector, proxy: ProxySettings, clock: Clock, deadline: Duration) -> Self {
        let client = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_max_idle_per_host(0)
            .build(connector);
        Self {
            client,
            proxy,
            clock,
            deadline,
        }
    }

    /// Sends it, and takes any 2xx for an arrival.
    pub(super) async fn send(&self, call: Call<'_>) -> Result<(), Undelivered> {
        let attempt = Attempt {
            operation: call.operation,
            to: call.service.to_string(),
        };
        attempt.within(self.deadline, self.exchange(&attempt, call)).await
    }

    async fn exchange(&self, attempt: &Attempt, call: Call<'_>) -> Result<(), Undelivered> {
        let uri: Uri = call
            .url
            .parse()
            .map_err(|_| attempt.failed(Fault::Misconfigured, "its URL cannot be asked for"))?;
        let has_body = !call.body.is_empty();
        let mut request = Request::new(Full::from(call.body));
        *request.method_mut() = call.method;
        let all = request.headers_mut();
        if has_body {
            all.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        all.insert(
            header::USER_AGENT,
            HeaderValue::from_static(concat!("larder/", env!("CARGO_PKG_VERSION"))),
        );
        for (name, value) in call.headers {
            all.insert(name, value);
        }
        if uri.scheme_str() == Some("http")
            && let Some(proxy) = Origin::of(&uri).and_then(|origin| self.proxy.towards(&origin).cloned())
            && let Some(authorization) = proxy.authorization
        {
            all.insert(header::PROXY_AUTHORIZATION, authorization);
        }
        *request.uri_mut() = uri;
        let response = self
            .client
            .request(request)
            .await
            .map_err(|error| attempt.unanswered(&error))?;
        let (head, body) = response.into_parts();
        if head.status.is_success() {
            return Ok(());
        }
        let body = read(body).await;
        let mut said = String::from_utf8_lossy(&body).into_owned();
        let url = Secret::new(call.service.path());
        for secret in call.hide.iter().copied().chain([&url]) {
            if secret.expose().len() > 3 {
                said = said.replace(secret.expose(), "…");
            }
        }
        let wait = retry_after(&head.headers, self.clock.now()).or_else(|| rest_in(&body));
        Err(attempt.failed(
            fault_of(head.status, wait),
            words(head.status, &head.headers, &said),
        ))
    }
}

/// What there is of an answer, up to a bound. Whether it comes whole does not matter any more.
async fn read(mut body: Incoming) -> Bytes {
    let mut read = BytesMut::new();
    while let Some(Ok(frame)) = body.frame().await {
        if let Ok(data) = frame.into_data() {
            read.extend_from_slice(&data[..data.len().min(LONGEST - read.len())]);
        }
        if read.len() >= LONGEST {
            break;
        }
    }
    read.freeze()
}

fn fault_of(status: StatusCode, wait: Option<Duration>) -> Fault {
    match status.as_u16() {
        408 => Fault::Broken(wait),
        429 => Fault::Limited(wait),
        500.. => Fault::Broken(wait),
        _ => Fault::Misconfigured,
    }
}

/// What an answer that is none of success means, for people.
fn words(status: StatusCode, headers: &HeaderMap, said: &str) -> String {
    if status.is_redirection() {
        // Its path may be as secret as the one that was asked for.
        let origin = headers
            .get(header::LOCATION)
            .and_then(|to| Origin::of(&to.to_str().ok()?.parse().ok()?));
        return match origin {
            Some(to) => format!(
                "it answered {status}: it has moved to {}; set the new `url`",
                to.authority()
            ),
            None => format!("it answered {status}: it has moved; set the new `url`"),
        };
    }
    let said: String = said.split_whitespace().collect::<Vec<_>>().join(" ");
    let said: String = said.chars().filter(|c| !c.is_control()).collect();
    if said.is_empty() {
        format!("it answered {status}")
    } else {
        format!("it answered {status}: {}", cut(&said, 200))
    }
}

/// Some say in their JSON when to come again: Telegram, Discord, Matrix.
fn rest_in(body: &[u8]) -> Option<Duration> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let seconds = body["parameters"]["retry_after"]
        .as_f64()
        .or_else(|| body["retry_after"].as_f64())
        .or_else(|| Some(body["retry_after_ms"].as_f64()? / 1000.0))?;
    let rest = Duration::try_from_secs_f64(seconds).ok()?;
    Some(rest.clamp(Duration::from_secs(1), LONGEST_REST))
}
