//! How long calls take and how they end, for `GET /metrics`.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::Response;
use metrics::{describe_histogram, histogram, with_local_recorder};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use prost::Message;
use tokio::time::Instant;

const NAME: &str = "jobflow_server_call_seconds";

const BUCKETS: [f64; 12] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 60.0,
];

/// What was measured is put into its buckets at least so often, so that it does
/// not pile up where nobody scrapes.
const UPKEEP: Duration = Duration::from_secs(5);

/// Cheap to clone.
#[derive(Clone)]
pub(crate) struct Calls(Arc<Inner>);

struct Inner {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
    /// `/jobflow.v1.JobService/SubmitJob` and the like.
    methods: HashSet<String>,
}

impl Calls {
    pub(crate) fn new() -> Self {
        let builder = PrometheusBuilder::new().set_buckets(&BUCKETS);
        let recorder = builder.expect("there are buckets").build_recorder();
        with_local_recorder(&recorder, || {
            describe_histogram!(
                NAME,
                "From the head of a request to the head of its answer."
            );
        });
        Self(Arc::new(Inner {
            handle: recorder.handle(),
            recorder,
            methods: methods(),
        }))
    }

    pub(crate) fn render(&self) -> String {
        self.0.handle.render()
    }

    /// Never ends.
    pub(crate) async fn upkeep(self) {
        loop {
            tokio::time::sleep(UPKEEP).await;
            self.0.handle.run_upkeep();
        }
    }

    /// The name of what is called, from a list that callers can not make longer.
    fn route(&self, request: &Request) -> String {
        let path = request.uri().path();
        if self.0.methods.contains(path) {
            return path.to_owned();
        }
        match request.extensions().get::<MatchedPath>() {
            // Of gRPC services that are not ours: health and reflection.
            Some(matched) if matched.as_str().contains('*') => "other".to_owned(),
            Some(matched) => matched.as_str().to_owned(),
            None => "other".to_owned(),
        }
    }

    /// Measures a call.
    pub(crate) async fn measure(&self, request: Request, next: Next) -> Response {
        let (route, begun) = (self.route(&request), Instant::now());
        let answer = next.run(request).await;
        self.record(route, &answer, begun.elapsed());
        answer
    }

    fn record(&self, route: String, answer: &Response, took: Duration) {
        let code = code(answer);
        with_local_recorder(&self.0.recorder, || {
            histogram!(NAME, "route" => route, "code" => code).record(took);
        });
    }
}

/// The status of HTTP, or that of gRPC where the head of the answer tells it,
/// which is the case for each call that ends with an error at once.
fn code(answer: &Response) -> String {
    let status = answer.headers().get("grpc-status");
    match status.and_then(|status| status.to_str().ok()?.parse().ok()) {
        Some(status) => format!("grpc-{:?}", tonic::Code::from_i32(status)),
        None => answer.status().as_u16().to_string(),
    }
}

fn methods() -> HashSet<String> {
    let files = prost_types::FileDescriptorSet::decode(jobflow::FILE_DESCRIPTOR_SET)
        .expect("build.rs has written it");
    let mut methods = HashSet::new();
    for file in &files.file {
        for service in &file.service {
            for method in &service.method {
                let (package, service, method) = (file.package(), service.name(), method.name());
                methods.insert(format!("/{package}.{service}/{method}"));
            }
        }
    }
    methods
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_can_not_make_up_routes() {
        let calls = Calls::new();
        let route = |path: &str| {
            let request = Request::builder().uri(path);
            calls.route(&request.body(axum::body::Body::empty()).unwrap())
        };
        let submit = "/jobflow.v1.JobService/SubmitJob";
        assert_eq!(route(submit), submit);
        assert_eq!(route("/jobflow.v1.JobService/Other"), "other");
        assert_eq!(route("/anything"), "other");
    }

    #[test]
    fn an_error_of_grpc_is_told_by_its_own_code() {
        let answer = Response::builder().header("grpc-status", "5");
        let answer = answer.body(axum::body::Body::empty()).unwrap();
        assert_eq!(code(&answer), "grpc-NotFound");
        assert_eq!(code(&Response::default()), "200");
    }
}
