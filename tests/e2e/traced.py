"""A producer and a handler whose work is traced by OpenTelemetry's own library.

    python3 traced.py producer SERVER
    python3 traced.py handler

Both export to the collector that OTEL_EXPORTER_OTLP_ENDPOINT names.
"""

import signal
import sys
from concurrent import futures
from pathlib import Path

import grpc
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

sys.path.append(str(Path(__file__).resolve().parents[2] / "proto"))

TRACES = TraceContextTextMapPropagator()


def tracer(service):
    provider = TracerProvider(resource=Resource({"service.name": service}))
    provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(insecure=True)))
    trace.set_tracer_provider(provider)
    return trace.get_tracer(__name__)


def produce(address):
    messages, services = grpc.protos_and_services("jobflow/v1/job_service.proto")
    with tracer("producer").start_as_current_span("order"):
        carrier = {}
        TRACES.inject(carrier)
        with grpc.insecure_channel(address) as channel:
            jobs = services.JobServiceStub(channel)
            submitted = jobs.SubmitJob(
                messages.SubmitJobRequest(kind="traced"), metadata=list(carrier.items()), timeout=20
            )
    print(submitted.job.id)


def handle():
    messages, services = grpc.protos_and_services("jobflow/v1/handler_service.proto")
    tracing = tracer("handler")

    class Handler(services.HandlerServiceServicer):
        def Handle(self, request, context):
            carrier = dict(context.invocation_metadata())
            assert request.headers["traceparent"] == carrier["traceparent"]
            with tracing.start_as_current_span("work", context=TRACES.extract(carrier)):
                yield messages.HandleResponse(ack=messages.HandleAck())

    server = grpc.server(futures.ThreadPoolExecutor(max_workers=4))
    services.add_HandlerServiceServicer_to_server(Handler(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(f"listening on 127.0.0.1:{port}", flush=True)
    signal.sigwait([signal.SIGTERM])
    server.stop(grace=1).wait()


if __name__ == "__main__":
    if sys.argv[1] == "producer":
        produce(sys.argv[2])
    else:
        handle()
