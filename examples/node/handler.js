// Runs JobFlow jobs in Node.
//
//     npm ci --prefix examples/node
//     node examples/node/handler.js 127.0.0.1:50061
//     jobflow-worker --handler '*=grpc:http://127.0.0.1:50061'
//
// A kind is a function that takes the request and the call; what it throws is
// an errored attempt.
"use strict";

const path = require("node:path");
const grpc = require("@grpc/grpc-js");
const loader = require("@grpc/proto-loader");
const { HealthImplementation } = require("grpc-health-check");

const protos = path.join(__dirname, "../../proto");
const definitions = loader.loadSync("jobflow/v1/handler_service.proto", {
  includeDirs: [protos],
  longs: String,
});
const { HandlerService } = grpc.loadPackageDefinition(definitions).jobflow.v1;

const kinds = {
  async echo(request, call) {
    call.write({ ack: { result: request.payload, contentType: request.contentType } });
  },

  // Says on the way how far it has come.
  async resize(request, call) {
    let files;
    try {
      ({ files } = JSON.parse(request.payload));
    } catch {}
    if (!Array.isArray(files)) {
      const message = "the payload has no files";
      // No later attempt would go better.
      call.write({ error: { code: "BAD_PAYLOAD", message, permanent: true } });
      return;
    }
    files.forEach((file, at) => {
      call.write({ log: { lines: [`${file} is done`] } });
      const percent = Math.floor((100 * (at + 1)) / files.length);
      call.write({ progress: { percent, message: file } });
    });
    const result = { resized: files.length, attempt: request.attempt };
    call.write({ ack: { result: Buffer.from(JSON.stringify(result)) } });
  },

  // Works until it is told to end: out of time, called off, or the worker stops.
  async patient(request, call) {
    call.write({ progress: { percent: 1, message: "waiting" } });
    await new Promise((told) => call.on("cancelled", told));
    console.log(`${request.id} was told to end`);
  },
};

async function handle(call) {
  const kind = kinds[call.request.kind];
  if (!kind) {
    // The job is given back, for a process that knows the kind.
    const details = `no handler for ${call.request.kind}`;
    call.emit("error", { code: grpc.status.UNIMPLEMENTED, details });
    return;
  }
  try {
    await kind(call.request, call);
    call.end();
  } catch (error) {
    call.emit("error", { code: grpc.status.UNKNOWN, details: String(error) });
  }
}

function main(address) {
  const server = new grpc.Server();
  server.addService(HandlerService.service, { handle });
  const health = new HealthImplementation({ "": "SERVING" });
  health.addToServer(server);
  server.bindAsync(address, grpc.ServerCredentials.createInsecure(), (error, port) => {
    if (error) throw error;
    console.log(`listening on ${address.replace(/:\d+$/, "")}:${port}`);
  });
  for (const signal of ["SIGTERM", "SIGINT"]) {
    process.on(signal, () => {
      // No more calls, then the ones under way may end.
      health.setStatus("", "NOT_SERVING");
      server.tryShutdown(() => process.exit(0));
      setTimeout(() => server.forceShutdown(), 20_000).unref();
    });
  }
}

main(process.argv[2] ?? "127.0.0.1:50061");
