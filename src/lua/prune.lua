-- prune: drop finished jobs over their count or age, in bounded steps.
-- KEYS     specs meta results completed failed cancelled idem config expiring tags progress logs history
-- ARGV     1 limit, then for completed, failed, cancelled: keep, max_age_ms, unless the queue says otherwise
-- RETURNS  {how many were dropped, the spread that the partition goes by}
-- ERRORS   -
-- EVENTS   -
-- COST     O(limit · log n), limit ≤ 200 of each set and reason
local limit, now, dropped = tonumber(ARGV[1]), now_ms(), 0
local own = call('HMGET', config, 'keep_completed', 'age_completed', 'keep_failed', 'age_failed', 'keep_cancelled',
  'age_cancelled')
for i, set in ipairs({ completed, failed, cancelled }) do
  local keep, max_age = tonumber(own[2 * i - 1] or ARGV[2 * i]), tonumber(own[2 * i] or ARGV[2 * i + 1])
  dropped = dropped + trim(set, keep, limit)
  local old = call('ZRANGEBYSCORE', set, '-inf', now - max_age, 'LIMIT', 0, limit)
  if #old > 0 then
    call('ZREM', set, unpack(old))
    forget(old)
    dropped = dropped + #old
  end
end
return { dropped, call('HGET', config, 'spread') or '' }
