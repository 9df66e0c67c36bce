// Submitters, workers and a last look for `cargo xtask torture --peer`: the lines they
// write are those of tests/torture/checker.
//
// torture.mjs PEER submit|work|left|dump [--log FILE] [--rate N] [--slots N] [--lease-ms N]
import { randomUUID } from 'node:crypto';
import { openSync, writeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';

const number = (value) => ({ type: 'string', default: String(value) });
const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    log: { type: 'string' },
    rate: number(100),
    slots: number(24),
    'lease-ms': number(4000),
    'work-ms': number(4),
  },
});
const [name, role] = positionals;
const lease = Number(values['lease-ms']);

/// A submit that is not answered in this time is tried again under its id.
const PATIENCE = 10_000;
/// Jobs under way of one submitter.
const AT_ONCE = 64;
const PAGE = 1000;

const file = values.log && openSync(values.log, 'a');
const now = () => process.hrtime.bigint();
const line = (...words) => writeSync(file, `${words.join(' ')}\n`);

/// Logs the start and the end of a job around its work.
async function handle(id, attempt, data) {
  const token = now();
  const told = [process.pid, id, attempt, token];
  line('S', token, Date.now(), ...told, 0, data.r);
  await sleep(data.ms);
  line('E', now(), Date.now(), ...told, 'ok', '-');
}

async function submitAll(peer) {
  let stopping = false;
  process.on('SIGTERM', () => (stopping = true));
  const began = Date.now();
  const open = new Set();
  for (let n = 0; !stopping; ) {
    const due = ((Date.now() - began) * Number(values.rate)) / 1000;
    if (n >= due || open.size >= AT_ONCE) {
      await sleep(2);
      continue;
    }
    const submit = submitOne(peer, `${process.pid}-${n++}`).finally(() => open.delete(submit));
    open.add(submit);
  }
  await Promise.all(open);
}

/// Under one id until it is known to be there.
async function submitOne(peer, request) {
  const id = randomUUID();
  line('T', now(), request, 'quick', 'peer', 3, 0);
  for (;;) {
    try {
      const late = sleep(PATIENCE, null, { ref: false }).then(() => Promise.reject(new Error('late')));
      await Promise.race([peer.submit(id, { r: request, ms: Number(values['work-ms']) }), late]);
      line('A', now(), request, id, 0);
      return;
    } catch (error) {
      line('U', now(), request, String(error.code ?? error.message).replaceAll(/\W+/g, '_') || 'error');
      await sleep(50);
    }
  }
}

const stored = (state, id) => console.log(`set peer ${state} ${id} 0`);
function failed(id, reason) {
  const code = Buffer.from(reason || 'none').subarray(0, 200);
  console.log(`set peer failed ${id} 0`);
  console.log(`col peer results ${id} ${Buffer.concat([Buffer.from(['E'.charCodeAt(0), code.length]), code]).toString('hex')}`);
}

/// With the lease, the attempts and the lost workers that JobFlow has under the same kills.
async function bullmq() {
  const { Queue, Worker } = await import('bullmq');
  const connection = { host: '127.0.0.1', port: Number(process.env.REDIS_PORT), maxRetriesPerRequest: null };
  const queue = new Queue('torture', { connection });
  const complain = (error) => console.error(error.message);
  queue.on('error', complain);
  const states = { wait: 'waiting', active: 'active', delayed: 'scheduled', prioritized: 'waiting' };
  return {
    submit: (id, data) => queue.add('quick', data, { jobId: id, attempts: 3 }),
    work() {
      const settings = { lockDuration: lease, stalledInterval: lease, maxStalledCount: 3 };
      const handler = (job) => handle(job.id, job.attemptsStarted ?? job.attemptsMade + 1, job.data);
      const worker = new Worker('torture', handler, { connection, concurrency: Number(values.slots), ...settings });
      worker.on('error', complain);
      return () => worker.close();
    },
    async left() {
      const counts = await queue.getJobCounts(...Object.keys(states));
      return Object.values(counts).reduce((sum, count) => sum + count, 0);
    },
    async dump() {
      const each = async (state, told) => {
        for (let at = 0; ; at += PAGE) {
          const jobs = await queue.getJobs([state], at, at + PAGE - 1);
          jobs.forEach((job) => job && told(job));
          if (jobs.length < PAGE) return;
        }
      };
      for (const [state, ours] of Object.entries(states)) await each(state, (job) => stored(ours, job.id));
      await each('completed', (job) => stored('completed', job.id));
      await each('failed', (job) => failed(job.id, job.failedReason));
    },
  };
}

async function beeQueue() {
  const { default: BeeQueue } = await import('bee-queue');
  const queue = new BeeQueue('torture', {
    redis: { host: '127.0.0.1', port: Number(process.env.REDIS_PORT) },
    isWorker: role === 'work',
    getEvents: false,
    sendEvents: false,
    removeOnSuccess: false,
    removeOnFailure: false,
    stallInterval: lease,
  });
  const complain = (error) => console.error(error.message);
  queue.on('error', complain);
  await queue.ready();
  const states = { waiting: 'waiting', active: 'active', delayed: 'scheduled' };
  return {
    submit: (id, data) => queue.createJob(data).setId(id).retries(2).save(),
    work() {
      queue.process(Number(values.slots), (job) => handle(job.id, 1, job.data));
      queue.checkStalledJobs(lease, (error) => error && complain(error));
      return () => queue.close(30_000);
    },
    async left() {
      const health = await queue.checkHealth();
      return health.waiting + health.active + health.delayed;
    },
    async dump() {
      for (const [state, ours] of Object.entries(states)) {
        for (let start = 0; ; start += PAGE) {
          const jobs = await queue.getJobs(state, { start, end: start + PAGE - 1 });
          jobs.forEach((job) => stored(ours, job.id));
          if (jobs.length < PAGE) break;
        }
      }
      // These are sets: one scan with room for all of them.
      const { succeeded, failed: lost } = await queue.checkHealth();
      for (const job of await queue.getJobs('succeeded', { size: succeeded + PAGE })) stored('completed', job.id);
      for (const job of await queue.getJobs('failed', { size: lost + PAGE })) {
        failed(job.id, job.options?.stacktraces?.[0]?.split('\n')[0]);
      }
    },
  };
}

const peers = { bullmq, 'bee-queue': beeQueue };
if (!peers[name]) throw new Error(`no peer ${name}: ${Object.keys(peers)}`);
const peer = await peers[name]();
const roles = {
  submit: () => submitAll(peer),
  async work() {
    const close = await peer.work();
    await new Promise((stopped) => process.on('SIGTERM', stopped));
    await close();
  },
  left: async () => console.log(await peer.left()),
  dump: () => peer.dump(),
};
if (!roles[role]) throw new Error(`no role ${role}: ${Object.keys(roles)}`);
await roles[role]();
process.exit(0);
