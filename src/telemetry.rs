//! Traces: a producer's goes on through server and worker to the handler.
//!
//! A job carries the W3C trace context of its submit in its header
//! `traceparent`. Each step that is exported stands below the one before, and
//! puts itself in its place for the next; where nothing is exported, the context
//! is passed on as it came.

use std::collections::HashMap;
use std::env;
use std::fmt::Display;
use std::sync::OnceLock;

use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{Span, SpanKind, Status, TraceContextExt, Tracer, TracerProvider};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{ExporterBuildError, SpanExporter};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};

/// The header of requests and jobs with the trace and the step before.
pub const TRACEPARENT: &str = "traceparent";

/// Either of them switches the export on.
const ENDPOINTS: [&str; 2] = [
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
];

static TRACER: OnceLock<SdkTracer> = OnceLock::new();

/// Sends finished steps to a collector, until it is ended.
#[must_use]
pub struct Export(SdkTracerProvider);

impl Export {
    /// Begins to export over OTLP with gRPC, where the environment names a
    /// collector; the other variables of OpenTelemetry hold as well. What the
    /// collector does not take is dropped once 2,048 steps wait for it. To be
    /// called within a runtime, and before anything is traced.
    ///
    /// # Errors
    /// When the environment names something that can not be.
    pub fn begin(service: &'static str) -> Result<Option<Self>, ExporterBuildError> {
        let is_set = |name: &&str| env::var_os(name).is_some_and(|value| !value.is_empty());
        if !ENDPOINTS.iter().any(is_set) {
            return Ok(None);
        }
        let exporter = SpanExporter::builder().with_tonic().build()?;
        let resource = match env::var_os("OTEL_SERVICE_NAME") {
            Some(_) => Resource::builder(),
            None => Resource::builder().with_service_name(service),
        };
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(resource.build())
            .build();
        // Once per process: a second one would export what is traced by nobody.
        let _ = TRACER.set(provider.tracer("jobflow"));
        Ok(Some(Self(provider)))
    }

    /// Sends what is left. Blocks for as long as that takes, at most 5 s.
    pub fn end(self) {
        if let Err(error) = self.0.shutdown() {
            tracing::warn!(%error, "the last steps of traces were not exported");
        }
    }
}

/// A step of a trace, from its beginning to its end.
#[derive(Debug)]
pub struct Step {
    traceparent: Option<String>,
    /// None where nothing is exported.
    span: Option<opentelemetry_sdk::trace::Span>,
}

/// On which side of a call or a queue a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// It hands work on.
    Producer,
    /// It does what was handed on.
    Consumer,
}

impl Step {
    /// Begins a step below `parent`, a `traceparent`; what is none is ignored.
    #[must_use]
    pub fn begin(
        name: &'static str,
        side: Side,
        parent: Option<&str>,
        attributes: &[(&'static str, &dyn Display)],
    ) -> Self {
        let Some(tracer) = TRACER.get() else {
            return Self {
                traceparent: parent.filter(|parent| is_sound(parent)).map(str::to_owned),
                span: None,
            };
        };
        let kind = match side {
            Side::Producer => SpanKind::Producer,
            Side::Consumer => SpanKind::Consumer,
        };
        let attributes = attributes
            .iter()
            .map(|(name, value)| KeyValue::new(*name, value.to_string()));
        let builder = tracer
            .span_builder(name)
            .with_kind(kind)
            .with_attributes(attributes);
        let span = builder.start_with_context(tracer, &parent.map_or_else(Context::new, context));
        let told = span.span_context();
        let traceparent = format!(
            "00-{}-{}-{:02x}",
            told.trace_id(),
            told.span_id(),
            told.trace_flags()
        );
        Self {
            traceparent: Some(traceparent),
            span: Some(span),
        }
    }

    /// What the next step has as its parent, if there is a trace at all.
    #[must_use]
    pub fn traceparent(&self) -> Option<&str> {
        self.traceparent.as_deref()
    }

    /// Notes something that was not known at the beginning.
    pub fn note(&mut self, name: &'static str, value: impl Display) {
        if let Some(span) = &mut self.span {
            span.set_attribute(KeyValue::new(name, value.to_string()));
        }
    }

    /// Ends it, with the stable word of what went wrong. No messages: they may
    /// hold what was in a payload.
    pub fn end(mut self, error: Option<&str>) {
        let Some(span) = &mut self.span else {
            return;
        };
        if let Some(code) = error {
            span.set_attribute(KeyValue::new("error.type", code.to_owned()));
            span.set_status(Status::error(code.to_owned()));
        }
        span.end();
    }
}

/// Whether it is a `traceparent` as the W3C has it.
#[must_use]
pub fn is_sound(traceparent: &str) -> bool {
    context(traceparent).span().span_context().is_valid()
}

fn context(traceparent: &str) -> Context {
    let carrier = HashMap::from([(TRACEPARENT.to_owned(), traceparent.to_owned())]);
    TraceContextPropagator::new().extract_with_context(&Context::new(), &carrier)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOUND: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn only_a_sound_traceparent_is_passed_on() {
        for (parent, passed) in [
            (SOUND, true),
            ("", false),
            (
                "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
                false,
            ),
            (
                "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
                false,
            ),
            (
                "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
                false,
            ),
            (
                "00-4bf92f3577b34da6a3ce929d0e0e473é-00f067aa0ba902b7-01",
                false,
            ),
        ] {
            let step = Step::begin("submit", Side::Producer, Some(parent), &[]);
            assert_eq!(step.traceparent(), passed.then_some(parent), "{parent}");
            step.end(None);
        }
        let step = Step::begin("submit", Side::Producer, None, &[]);
        assert_eq!(step.traceparent(), None);
    }
}
