-- beat: a worker says that it is alive; forgets workers that have not said so for long.
-- KEYS     1 workers  2 worker  3 running  4 signal
-- ARGV     1 id  2 description  3 the jobs that it runs, or ''  4 ttl_ms  5 the signal that it obeys by now
-- RETURNS  the signal that it does not obey yet, or nothing
-- ERRORS   -
-- EVENTS   -
-- COST     O(log n)
local workers, worker, running, signal = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local id, description, jobs, ttl, obeyed = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), ARGV[5]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', workers, '-inf', now - ttl)
redis.call('ZADD', workers, now, id)
redis.call('SET', worker, description, 'PX', ttl)
if jobs == '' then
  redis.call('DEL', running)
else
  redis.call('SET', running, jobs, 'PX', ttl)
end
local told = redis.call('GET', signal)
if told == obeyed then
  redis.call('DEL', signal)
  return false
end
return told
