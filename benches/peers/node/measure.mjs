// The four measurements, the same for every peer.
//
// A peer is { name, submit(data), submitMany(list), work(concurrency, handler, done) }:
// work starts a worker that calls handler(data) per job, and done() once that
// job is acknowledged.
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';

export const redis = { host: '127.0.0.1', port: Number(process.env.REDIS_PORT) };

const email = { to: 'user@example.com', template: 'welcome' };

export async function measure(peer) {
  const [mode, a, b] = process.argv[2].split(':').map((part, at) => (at ? Number(part) : part));
  const measurement = measurements[mode];
  if (!measurement) throw new Error(`no mode ${mode}: ${Object.keys(measurements)}`);
  const figures = await measurement(peer, a, b);
  console.log(JSON.stringify({ peer: peer.name, mode, ...figures }));
  process.exit(0);
}

const measurements = {
  async enqueue(peer, n, callers) {
    await peer.submit(email);
    let left = n - 1;
    const began = performance.now();
    const call = async () => {
      while (left-- > 0) await peer.submit(email);
    };
    await Promise.all(Array.from({ length: callers }, call));
    return { n, c: callers, jobs_per_s: rate(n, began) };
  },

  async bulk(peer, n, size) {
    const began = performance.now();
    await submitInBulk(peer, n, size);
    return { n, size, jobs_per_s: rate(n, began) };
  },

  async drain(peer, n, concurrency) {
    await submitInBulk(peer, n, 500);
    const began = performance.now();
    await new Promise((drained) => {
      let left = n;
      const done = () => --left === 0 && drained();
      peer.work(concurrency, async () => {}, done);
    });
    return { n, c: concurrency, jobs_per_s: rate(n, began) };
  },

  async latency(peer, perSecond, secs) {
    const latencies = [];
    await peer.work(100, async ({ sent }) => latencies.push(performance.now() - sent), () => {});
    await sleep(500);
    const total = perSecond * secs;
    const began = performance.now();
    for (let i = 0; i < total; i++) {
      const early = began + (i * 1000) / perSecond - performance.now();
      if (early > 0.5) await sleep(early);
      peer.submit({ ...email, sent: performance.now() });
    }
    while (latencies.length < total) await sleep(10);
    latencies.sort((x, y) => x - y);
    const at = (part) => round(latencies[Math.min(total - 1, Math.floor((total * part) / 100))]);
    return { rate: perSecond, secs, p50_ms: at(50), p99_ms: at(99), max_ms: at(100) };
  },
};

async function submitInBulk(peer, n, size) {
  for (let left = n; left > 0; left -= size) {
    await peer.submitMany(Array(Math.min(left, size)).fill(email));
  }
}

const rate = (n, began) => Math.round((n * 1000) / (performance.now() - began));
const round = (ms) => Math.round(ms * 1000) / 1000;
