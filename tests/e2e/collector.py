"""A collector for traces: prints each span that it receives as a line of JSON."""

import json
import signal
from concurrent import futures

import grpc
from opentelemetry.proto.collector.trace.v1 import (
    trace_service_pb2 as messages,
    trace_service_pb2_grpc as services,
)


class Collector(services.TraceServiceServicer):
    def Export(self, request, context):
        for resource in request.resource_spans:
            names = {a.key: a.value.string_value for a in resource.resource.attributes}
            for scope in resource.scope_spans:
                for span in scope.spans:
                    attributes = {a.key: a.value.string_value for a in span.attributes}
                    line = {
                        "service": names.get("service.name"),
                        "name": span.name,
                        "trace": span.trace_id.hex(),
                        "id": span.span_id.hex(),
                        "parent": span.parent_span_id.hex(),
                        "attributes": attributes,
                    }
                    print("span", json.dumps(line), flush=True)
        return messages.ExportTraceServiceResponse()


server = grpc.server(futures.ThreadPoolExecutor(max_workers=4))
services.add_TraceServiceServicer_to_server(Collector(), server)
port = server.add_insecure_port("127.0.0.1:0")
server.start()
print(f"listening on 127.0.0.1:{port}", flush=True)
signal.sigwait([signal.SIGTERM])
server.stop(grace=1).wait()
