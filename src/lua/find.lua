-- find: look for idempotency keys where an earlier spread of the queue may have bound them, and see to it
--       that nobody binds more of them here by that one.
-- KEYS     active idem config
-- ARGV     1 spread, then keys
-- RETURNS  {1 when the key is held here or 0, …}
-- ERRORS   -
-- EVENTS   -
-- COST     O(keys), keys ≤ 125
local own, epoch = tonumber((call('HGET', config, 'spread') or ''):match('^%d+')), tonumber(ARGV[1]:match('^%d+'))
if own and own < epoch then
  begin_writes()
  call('HSET', config, 'spread', ARGV[1])
end
local held = call('HMGET', idem, unpack(ARGV, 2))
for i = 1, #held do held[i] = held[i] and 1 or 0 end
return held
