"""A gRPC client that knows nothing of JobFlow but its address.

It learns services and messages by reflection, then submits, waits, streams and
provokes an error. Prints what it saw as one JSON object; a check that fails
ends it with a traceback.
"""

import json
import sys

import grpc
from google.protobuf import descriptor_pool, message_factory
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)
from grpc_status import rpc_status

PATIENCE = 20
PAYLOAD = b'{"n":12345678901234567890,"e":[],"f":1.10}'


class Peer:
    """Calls any method of any service that reflection describes."""

    def __init__(self, channel):
        self.channel = channel
        self.database = ProtoReflectionDescriptorDatabase(channel)
        self.pool = descriptor_pool.DescriptorPool(self.database)

    def method(self, service, name):
        return self.pool.FindServiceByName(service).FindMethodByName(name)

    def request(self, method, **fields):
        return message_factory.GetMessageClass(method.input_type)(**fields)

    def call(self, service, name, **fields):
        method = self.method(service, name)
        answer = message_factory.GetMessageClass(method.output_type)
        kind = self.channel.unary_stream if method.server_streaming else self.channel.unary_unary
        call = kind(
            f"/{service}/{name}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=answer.FromString,
        )
        return call(self.request(method, **fields), timeout=PATIENCE)

    def state(self, number):
        states = self.pool.FindEnumTypeByName("jobflow.v1.JobState")
        return states.values_by_number[number].name


def submit_and_wait(peer):
    """A job through its whole life, with a result that stays as it is."""
    submitted = peer.call(
        "jobflow.v1.JobService", "SubmitJob", kind="echo", payload=PAYLOAD, headers={"from": "peer"}
    )
    assert not submitted.duplicate
    waited = peer.call("jobflow.v1.JobService", "WaitJob", id=submitted.job.id).job
    got = peer.call("jobflow.v1.JobService", "GetJob", id=submitted.job.id).job
    assert got == waited, (got, waited)
    assert (got.payload, got.result) == (PAYLOAD, PAYLOAD), (got.payload, got.result)
    assert got.headers["from"] == "peer"
    return {"id": got.id, "state": peer.state(got.state), "attempt": got.attempt}


def stream_metrics(peer):
    """The first message is the snapshot, the sequence grows, the job is counted."""
    interval = {"nanos": 100_000_000}
    stream = peer.call("jobflow.v1.MetricsService", "StreamMetrics", interval=interval)
    seen = []
    for message in stream:
        seen.append((message.snapshot, message.sequence, message.totals.completed))
        if len(seen) == 5:
            stream.cancel()
            break
    assert [snapshot for snapshot, _, _ in seen] == [True, False, False, False, False], seen
    sequences = [sequence for _, sequence, _ in seen]
    assert all(a < b for a, b in zip(sequences, sequences[1:])), sequences
    assert seen[-1][2] >= 1, seen
    return {"messages": len(seen), "sequences": sequences}


def provoke(peer, service, name, **fields):
    """The error of a call, with its google.rpc.ErrorInfo decoded."""
    try:
        peer.call(service, name, **fields)
    except grpc.RpcError as error:
        # Reads grpc-status-details-bin, and checks it against code and message.
        status = rpc_status.from_call(error)
        assert status is not None, "the error has no details"
        info, field = error_details_pb2.ErrorInfo(), None
        for detail in status.details:
            if detail.Is(info.DESCRIPTOR):
                detail.Unpack(info)
            bad = error_details_pb2.BadRequest()
            if detail.Is(bad.DESCRIPTOR):
                detail.Unpack(bad)
                field = bad.field_violations[0].field
        return {
            "code": error.code().name,
            "reason": info.reason,
            "domain": info.domain,
            "metadata": dict(info.metadata),
            "field": field,
        }
    raise AssertionError(f"{name} did not fail")


def main(address):
    with grpc.insecure_channel(address) as channel:
        peer = Peer(channel)
        health = health_pb2_grpc.HealthStub(channel).Check(
            health_pb2.HealthCheckRequest(), timeout=PATIENCE
        )
        jobs = "jobflow.v1.JobService"
        seen = {
            "services": sorted(peer.database.get_services()),
            "health": health_pb2.HealthCheckResponse.ServingStatus.Name(health.status),
            "job": submit_and_wait(peer),
            "metrics": stream_metrics(peer),
            "bad_priority": provoke(peer, jobs, "SubmitJob", kind="echo", priority=10),
            "unknown_job": provoke(
                peer, jobs, "GetJob", id="0198c0de-0000-7000-8000-000000000000"
            ),
        }
        print(json.dumps(seen))


if __name__ == "__main__":
    main(sys.argv[1])
