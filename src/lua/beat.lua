-- beat: a worker says that it is alive; forgets workers that have not said so for long.
-- KEYS     1 workers  2 worker
-- ARGV     1 id  2 description  3 ttl_ms
-- RETURNS  nothing
-- ERRORS   -
-- EVENTS   -
-- COST     O(log n)
local workers, worker = KEYS[1], KEYS[2]
local id, description, ttl = ARGV[1], ARGV[2], tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', workers, '-inf', now - ttl)
redis.call('ZADD', workers, now, id)
redis.call('SET', worker, description, 'PX', ttl)
