// BullMQ on Node.
import { Queue, Worker } from 'bullmq';
import { measure, redis } from './measure.mjs';

const connection = { ...redis, maxRetriesPerRequest: null };
// The history that we keep, too.
const opts = { removeOnComplete: { count: 1000 } };
const queue = new Queue('bench', { connection });
await queue.waitUntilReady();

await measure({
  name: 'bullmq',
  submit: (data) => queue.add('noop', data, opts),
  submitMany: (list) => queue.addBulk(list.map((data) => ({ name: 'noop', data, opts }))),
  work(concurrency, handler, done) {
    const worker = new Worker('bench', (job) => handler(job.data), { connection, concurrency });
    worker.on('completed', done);
    return worker.waitUntilReady();
  },
});
