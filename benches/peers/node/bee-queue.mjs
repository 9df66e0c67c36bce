// Bee-Queue on Node: without events and without a history, where it is at its best.
import BeeQueue from 'bee-queue';
import { measure, redis } from './measure.mjs';

const queue = new BeeQueue('bench', {
  redis,
  removeOnSuccess: true,
  getEvents: false,
  sendEvents: false,
});
await queue.ready();

await measure({
  name: 'bee-queue',
  submit: (data) => queue.createJob(data).save(),
  submitMany: (list) => queue.saveAll(list.map((data) => queue.createJob(data))),
  work(concurrency, handler, done) {
    queue.on('succeeded', done);
    queue.process(concurrency, (job) => handler(job.data));
  },
});
