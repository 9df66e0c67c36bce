// Submits a JobFlow job over grpc-web, which needs no more than fetch: as in a
// browser, a worker at the edge or behind a proxy that speaks HTTP/1.1 only.
// Waits for the job and prints its result.
//
//     npm ci --prefix examples/node
//     node examples/node/producer_web.js http://127.0.0.1:4000
"use strict";

const path = require("node:path");
const { randomUUID } = require("node:crypto");
const loader = require("@grpc/proto-loader");

const protos = path.join(__dirname, "../../proto");
const definitions = loader.loadSync("jobflow/v1/job_service.proto", {
  includeDirs: [protos],
  enums: String,
  longs: String,
});
const JobService = definitions["jobflow.v1.JobService"];

// A message or the trailers: a byte of flags, the length, and so many bytes.
const HEAD = 5;
const TRAILERS = 0x80;

function frame(message) {
  const head = Buffer.alloc(HEAD);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

function* frames(body) {
  while (body.length >= HEAD) {
    const end = HEAD + body.readUInt32BE(1);
    yield { isTrailers: (body[0] & TRAILERS) !== 0, bytes: body.subarray(HEAD, end) };
    body = body.subarray(end);
  }
}

async function call(server, name, request, seconds) {
  const { path, requestSerialize, responseDeserialize } = JobService[name];
  const answer = await fetch(new URL(path, server), {
    method: "POST",
    headers: {
      "content-type": "application/grpc-web+proto",
      "x-grpc-web": "1",
      "grpc-timeout": `${seconds}S`,
    },
    body: frame(requestSerialize(request)),
    signal: AbortSignal.timeout(seconds * 1000),
  });
  const body = [...frames(Buffer.from(await answer.arrayBuffer()))];
  const ended = status(answer, body);
  if (ended.code !== "0") throw new Error(`gRPC status ${ended.code}: ${ended.message}`);
  return responseDeserialize(body.find((frame) => !frame.isTrailers).bytes);
}

// Behind the messages, or in the headers where there are none.
function status(answer, body) {
  const ended = new Headers(answer.headers);
  const trailers = body.filter((frame) => frame.isTrailers).map((frame) => frame.bytes.toString());
  for (const [, name, value] of trailers.join("").matchAll(/^([^:]+):\s*(.*)$/gm)) ended.set(name, value);
  const message = ended.get("grpc-message") ?? `HTTP ${answer.status}`;
  return { code: ended.get("grpc-status") ?? "unknown", message: decodeURIComponent(message) };
}

async function main(server) {
  const submit = {
    kind: "resize",
    payload: Buffer.from(JSON.stringify({ files: ["a.png", "b.png"] })),
    contentType: "application/json",
    headers: { tenant: "acme" },
    // The same again after a lost answer is the same job.
    requestId: randomUUID(),
  };
  const submitted = await call(server, "SubmitJob", submit, 10);
  const { job } = await call(server, "WaitJob", { id: submitted.job.id }, 60);
  const result = job.result?.length ? JSON.parse(job.result) : null;
  console.log(JSON.stringify({ id: job.id, state: job.state, result, error: job.error?.message }));
}

main(process.argv[2] ?? "http://127.0.0.1:4000").catch((error) => {
  console.error(error.message);
  process.exitCode = 1;
});
