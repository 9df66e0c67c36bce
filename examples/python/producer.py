"""Submits a JobFlow job from Python, waits for it and prints its result.

    pip install -r examples/python/requirements.txt
    python3 examples/python/producer.py 127.0.0.1:4000
"""

import json
import sys
import uuid
from pathlib import Path

import grpc

# The definitions are read as they are: no stubs are generated.
sys.path.append(str(Path(__file__).resolve().parents[2] / "proto"))
messages, services = grpc.protos_and_services("jobflow/v1/job_service.proto")
job_messages = grpc.protos("jobflow/v1/job.proto")


def main(address):
    with grpc.insecure_channel(address) as channel:
        jobs = services.JobServiceStub(channel)
        submit = messages.SubmitJobRequest(
            kind="resize",
            payload=json.dumps({"files": ["a.png", "b.png"]}).encode(),
            content_type="application/json",
            headers={"tenant": "acme"},
            # The same again after a lost answer is the same job.
            request_id=str(uuid.uuid4()),
        )
        job = jobs.SubmitJob(submit, timeout=10).job
        job = jobs.WaitJob(messages.WaitJobRequest(id=job.id), timeout=60).job
        print(
            json.dumps(
                {
                    "id": job.id,
                    "state": job_messages.JobState.Name(job.state),
                    "result": json.loads(job.result or "null"),
                    "error": job.error.message,
                }
            )
        )


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:4000")
