//! The routes and who answers them.

use http::{HeaderMap, HeaderValue, header};
use http_body_util::{BodyExt as _, Empty};

use super::{
    AnswerBody, Arc, Asker, Body, BoxError, Change, Depth, Effect, Facts, Method, Operations, Readiness,
    Request, Response, Route, StatusCode, Watch,
    answer::{json, refusal, text, whole},
    body::{self, Refused},
    lines::lines,
};
use crate::{
    api::{CollectRequest, ImageRequest, InspectRequest, PullRequest},
    metrics::{self, Exposition},
};

/// Answers what is not the registry's. Clones are the same console.
#[derive(Clone)]
pub struct Console {
    facts: Arc<dyn Facts>,
    operations: Arc<dyn Operations>,
    pub(super) watch: Arc<dyn Watch>,
    exposition: Arc<Exposition>,
}

impl Console {
    pub fn new(
        facts: Arc<dyn Facts>,
        operations: Arc<dyn Operations>,
        watch: Arc<dyn Watch>,
        exposition: Arc<Exposition>,
    ) -> Self {
        Self {
            facts,
            operations,
            watch,
            exposition,
        }
    }

    /// Whether a path is answered here; the rest is the registry's, or nobody's.
    pub fn owns(path: &str) -> bool {
        Route::of(path).is_some() || path.starts_with("/api/")
    }

    /// The answer to any request.
    pub async fn answer<B>(&self, request: Request<B>, asker: Asker) -> Response<AnswerBody>
    where
        B: Body<Error: Into<BoxError>>,
    {
        let (head, body) = request.into_parts();
        let Some(route) = Route::of(head.uri.path()) else {
            return refusal(StatusCode::NOT_FOUND, "there is nothing here");
        };
        if !route.allows(&head.method) {
            let mut response = refusal(StatusCode::METHOD_NOT_ALLOWED, "not by this method");
            let methods = HeaderValue::from_static(route.methods());
            response.headers_mut().insert(header::ALLOW, methods);
            return response;
        }
        if !route.is_open_to(asker) {
            return refusal(
                StatusCode::FORBIDDEN,
                "this changes what the box does: ask on the box itself, through its socket or a loopback address",
            );
        }
        let response = match route {
            Route::Alive => text(StatusCode::OK, "alive"),
            Route::Ready => match self.facts.readiness() {
                Readiness::Ready => text(StatusCode::OK, "ready"),
                Readiness::NotReady(why) => text(StatusCode::SERVICE_UNAVAILABLE, &why),
            },
            Route::Metrics => self.metrics(),
            Route::Status => json(&self.facts.status()),
            Route::Images => match self.facts.images().await {
                Ok(images) => json(&images),
                Err(why) => refusal(StatusCode::SERVICE_UNAVAILABLE, &why),
            },
            Route::Pull => self
                .pull(&head.headers, body)
                .await
                .unwrap_or_else(|refused| *refused),
            Route::Keep(change) => self
                .keep(&head.headers, body, change)
                .await
                .unwrap_or_else(|refused| *refused),
            Route::Collect => self
                .collect(&head.headers, body)
                .await
                .unwrap_or_else(|refused| *refused),
            Route::Collections => json(&self.facts.collections()),
            Route::Inspect => self
                .inspect(&head.headers, body)
                .await
                .unwrap_or_else(|refused| *refused),
            Route::Inspections => json(&self.facts.inspections()),
            Route::Alerts => json(&self.watch.alerts()),
            Route::ChangeAlerts(change) => self
                .change_alerts(&head.headers, body, change)
                .await
                .unwrap_or_else(|refused| *refused),
            Route::Samples => self.samples(&head.uri).await.unwrap_or_else(|refused| *refused),
            Route::Reload => match self.operations.reload().await {
                Ok(reloaded) => json(&reloaded),
                Err(why) => refusal(StatusCode::UNPROCESSABLE_ENTITY, &why),
            },
        };
        if head.method == Method::HEAD {
            return response.map(|_| Empty::new().boxed_unsync());
        }
        response
    }

    async fn pull<B>(&self, headers: &HeaderMap, body: B) -> Result<Response<AnswerBody>, Refused>
    where
        B: Body<Error: Into<BoxError>>,
    {
        let request: PullRequest = body::document(headers, body).await?;
        let image = body::image(&request.reference, &*self.facts)?;
        Ok(lines(self.operations.pull(image, request.platform)))
    }

    async fn keep<B>(
        &self,
        headers: &HeaderMap,
        body: B,
        change: Change,
    ) -> Result<Response<AnswerBody>, Refused>
    where
        B: Body<Error: Into<BoxError>>,
    {
        let request: ImageRequest = body::document(headers, body).await?;
        let image = body::image(&request.reference, &*self.facts)?;
        Ok(match self.operations.keep(image, change).await {
            Ok(kept) => json(&kept),
            Err(why) => refusal(StatusCode::SERVICE_UNAVAILABLE, &why),
        })
    }

    async fn collect<B>(&self, headers: &HeaderMap, body: B) -> Result<Response<AnswerBody>, Refused>
    where
        B: Body<Error: Into<BoxError>>,
    {
        let request: CollectRequest = body::document(headers, body).await?;
        let effect = if request.dry_run {
            Effect::Said
        } else {
            Effect::Real
        };
        Ok(lines(self.operations.collect(effect)))
    }

    async fn inspect<B>(&self, headers: &HeaderMap, body: B) -> Result<Response<AnswerBody>, Refused>
    where
        B: Body<Error: Into<BoxError>>,
    {
        let request: InspectRequest = body::document(headers, body).await?;
        let depth = if request.scrub { Depth::Scrub } else { Depth::Scan };
        Ok(lines(self.operations.inspect(depth)))
    }

    fn metrics(&self) -> Response<AnswerBody> {
        match self.exposition.render() {
            Ok(page) => {
                let media_type = HeaderValue::from_static(metrics::CONTENT_TYPE);
                whole(StatusCode::OK, media_type, page)
            }
            Err(e) => refusal(
                StatusCode::INTERNAL_SERVER_ERROR,
                &format!("render the metrics: {e}"),
            ),
        }
    }
}
