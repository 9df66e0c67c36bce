// Submits a JobFlow job from Node, waits for it and prints its result.
//
//     npm ci --prefix examples/node
//     node examples/node/producer.js 127.0.0.1:4000
"use strict";

const path = require("node:path");
const { promisify } = require("node:util");
const { randomUUID } = require("node:crypto");
const grpc = require("@grpc/grpc-js");
const loader = require("@grpc/proto-loader");

const protos = path.join(__dirname, "../../proto");
const definitions = loader.loadSync("jobflow/v1/job_service.proto", {
  includeDirs: [protos],
  enums: String,
  longs: String,
});
const { JobService } = grpc.loadPackageDefinition(definitions).jobflow.v1;

async function main(address) {
  const jobs = new JobService(address, grpc.credentials.createInsecure());
  const call = (name, request, seconds) =>
    promisify(jobs[name].bind(jobs))(request, { deadline: Date.now() + seconds * 1000 });
  const submit = {
    kind: "resize",
    payload: Buffer.from(JSON.stringify({ files: ["a.png", "b.png"] })),
    contentType: "application/json",
    headers: { tenant: "acme" },
    // The same again after a lost answer is the same job.
    requestId: randomUUID(),
  };
  const submitted = await call("submitJob", submit, 10);
  const { job } = await call("waitJob", { id: submitted.job.id }, 60);
  const result = job.result?.length ? JSON.parse(job.result) : null;
  console.log(JSON.stringify({ id: job.id, state: job.state, result, error: job.error?.message }));
  jobs.close();
}

main(process.argv[2] ?? "127.0.0.1:4000").catch((error) => {
  console.error(error.message);
  process.exitCode = 1;
});
