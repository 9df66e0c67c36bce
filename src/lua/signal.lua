-- signal: tell a worker something: at once if it listens, and with its next beats until it obeys.
-- KEYS     1 worker  2 signal
-- ARGV     1 the word  2 ttl_ms  3 channel  4 message
-- RETURNS  1, or 0 when the worker has not beaten lately and was told nothing
-- ERRORS   -
-- EVENTS   -
-- COST     O(listeners)
local worker, signal = KEYS[1], KEYS[2]
if redis.call('EXISTS', worker) == 0 then return 0 end
-- The first write can not grow, so that Redis runs this at maxmemory, too.
redis.call('DEL', signal)
redis.call('SET', signal, ARGV[1], 'PX', ARGV[2])
redis.call('PUBLISH', ARGV[3], ARGV[4])
return 1
