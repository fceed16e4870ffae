//! What the box watches: incidents, silences, samples.

use http::{HeaderMap, Response, StatusCode, Uri};
use http_body::Body;

use super::{
    AlertChange, AnswerBody, BoxError,
    answer::{json, refusal},
    body::{self, Refused},
    room::Console,
};
use crate::{
    api::{AcknowledgeRequest, SilenceRequest, TestRequest, UnsilenceRequest},
    rule::{Label, Metric, Series},
};

/// The longest silence: who wants to hear of something never changes the configuration.
const LONGEST_SILENCE: u64 = 366 * 24 * 3600;
/// The longest time over which samples are shown: what is kept.
const LONGEST_RANGE: u64 = 400 * 24 * 3600;

impl Console {
    pub(super) async fn change_alerts<B>(
        &self,
        headers: &HeaderMap,
        body: B,
        change: AlertChange,
    ) -> Result<Response<AnswerBody>, Refused>
    where
        B: Body<Error: Into<BoxError>>,
    {
        let changed = match change {
            AlertChange::Acknowledge => {
                let request: AcknowledgeRequest = body::document(headers, body).await?;
                self.watch.acknowledge(request)
            }
            AlertChange::Silence => {
                let request: SilenceRequest = body::document(headers, body).await?;
                if request.rule.is_empty() || !(1..=LONGEST_SILENCE).contains(&request.seconds) {
                    let why = format!(
                        "a silence needs a rule (`*` for all) and lasts from 1 to {LONGEST_SILENCE} seconds"
                    );
                    return Err(Box::new(refusal(StatusCode::BAD_REQUEST, &why)));
                }
                self.watch.silence(request)
            }
            AlertChange::Unsilence => {
                let request: UnsilenceRequest = body::document(headers, body).await?;
                self.watch.unsilence(request)
            }
            AlertChange::Test => {
                let request: TestRequest = body::document(headers, body).await?;
                return Ok(match self.watch.test(request).await {
                    Ok(tested) => json(&tested),
                    Err(why) => refusal(StatusCode::NOT_FOUND, &why),
                });
            }
        };
        Ok(match changed {
            Ok(changed) => json(&changed),
            Err(why) => refusal(StatusCode::NOT_FOUND, &why),
        })
    }

    /// What is sampled now, or one series over a time: `?metric=memory.used&of=&range=24h`.
    pub(super) async fn samples(&self, uri: &Uri) -> Result<Response<AnswerBody>, Refused> {
        let refuse = |why: &str| Box::new(refusal(StatusCode::BAD_REQUEST, why));
        let query = url_query(uri);
        let value = |name: &str| query.iter().find(|(key, _)| key == name).map(|(_, value)| value);
        let known = ["metric", "of", "range"];
        if let Some((key, _)) = query.iter().find(|(key, _)| !known.contains(&key.as_str())) {
            return Err(refuse(&format!(
                "there is no parameter `{key}`: allowed are metric, of and range"
            )));
        }
        let Some(metric) = value("metric") else {
            if !query.is_empty() {
                return Err(refuse(
                    "say which metric, as `metric=memory.used`; without any parameter all are shown as they are now",
                ));
            }
            return Ok(json(&self.watch.samples()));
        };
        let metric: Metric = metric.parse().map_err(|error| refuse(&format!("{error}")))?;
        let range = match value("range") {
            None => 3600,
            Some(text) => seconds(text)
                .filter(|range| (1..=LONGEST_RANGE).contains(range))
                .ok_or_else(|| {
                    refuse(&format!(
                        "`{text}` is no range: a number and s, m, h or d, up to 400d"
                    ))
                })?,
        };
        let series = Series {
            metric,
            of: Label::new(value("of").map_or("", String::as_str)),
        };
        Ok(match self.watch.course(series, range).await {
            Ok(course) => json(&course),
            Err(why) => refusal(StatusCode::SERVICE_UNAVAILABLE, &why),
        })
    }
}

fn url_query(uri: &Uri) -> Vec<(String, String)> {
    let query = uri.query().unwrap_or_default();
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let decoded = |text: &str| {
        let text = text.replace('+', " ");
        percent_encoding::percent_decode_str(&text)
            .decode_utf8_lossy()
            .into_owned()
    };
    pairs
        .map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(key), decoded(value))
        })
        .collect()
}

/// As people write it: "90s", "24h".
fn seconds(text: &str) -> Option<u64> {
    let unit = match text.chars().last()? {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 24 * 3600,
        _ => return None,
    };
    let number: u64 = text[..text.len() - 1].parse().ok()?;
    number.checked_mul(unit)
}
