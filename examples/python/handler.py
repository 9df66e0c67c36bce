"""Runs JobFlow jobs in Python.

    pip install -r examples/python/requirements.txt
    python3 examples/python/handler.py 127.0.0.1:50061
    jobflow-worker --handler '*=grpc:http://127.0.0.1:50061'

A kind is a function that takes the request and yields messages; what it
raises is an errored attempt.
"""

import json
import signal
import sys
import threading
from concurrent import futures
from pathlib import Path

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

# The definitions are read as they are: no stubs are generated.
sys.path.append(str(Path(__file__).resolve().parents[2] / "proto"))
messages, services = grpc.protos_and_services("jobflow/v1/handler_service.proto")

THREADS = 16


def ack(result=b"", content_type=""):
    return messages.HandleResponse(
        ack=messages.HandleAck(result=result, content_type=content_type)
    )


def log(*lines):
    return messages.HandleResponse(log=messages.HandleLog(lines=lines))


def progress(percent, message=""):
    return messages.HandleResponse(
        progress=messages.HandleProgress(percent=percent, message=message)
    )


def fail(code, message):
    """No later attempt would go better."""
    return messages.HandleResponse(
        error=messages.HandleError(code=code, message=message, permanent=True)
    )


def echo(request, context):
    yield ack(request.payload, request.content_type)


def resize(request, context):
    """Says on the way how far it has come."""
    try:
        files = json.loads(request.payload)["files"]
    except (ValueError, KeyError, TypeError):
        yield fail("BAD_PAYLOAD", "the payload has no files")
        return
    for done, file in enumerate(files, start=1):
        yield log(f"{file} is done")
        yield progress(100 * done // len(files), file)
    yield ack(json.dumps({"resized": len(files), "attempt": request.attempt}).encode())


def patient(request, context):
    """Works until it is told to end: out of time, called off, or the worker stops."""
    told = threading.Event()
    context.add_callback(told.set)
    yield progress(1, "waiting")
    told.wait()
    print(f"{request.id} was told to end", flush=True)


KINDS = {"echo": echo, "resize": resize, "patient": patient}


class Handler(services.HandlerServiceServicer):
    def Handle(self, request, context):
        kind = KINDS.get(request.kind)
        if kind is None:
            # The job is given back, for a process that knows the kind.
            context.abort(grpc.StatusCode.UNIMPLEMENTED, f"no handler for {request.kind}")
        yield from kind(request, context)


def main(address):
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=THREADS))
    services.add_HandlerServiceServicer_to_server(Handler(), server)
    state = health.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(state, server)
    state.set("", health_pb2.HealthCheckResponse.SERVING)
    port = server.add_insecure_port(address)
    server.start()
    print(f"listening on {address.rsplit(':', 1)[0]}:{port}", flush=True)

    stop = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.set())
    stop.wait()
    # No more calls, then the ones under way may end.
    state.enter_graceful_shutdown()
    server.stop(grace=20).wait()


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:50061")
