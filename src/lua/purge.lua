-- purge: delete jobs of one state, in bounded steps; of waiting jobs those of paused kinds, too.
-- KEYS     specs meta results waiting active scheduled retrying blocked completed failed cancelled idem events
--          config parked expiring tags progress logs history
-- ARGV     1 state, not active  2 limit
-- RETURNS  how many were deleted; fewer than the limit when no more are there
-- ERRORS   -
-- EVENTS   -
-- COST     O(limit · log n), limit ≤ 200
local state, limit, deleted = ARGV[1], tonumber(ARGV[2]), 0
begin_writes()
for _, place in ipairs(PLACES) do
  if place[1] == state and state ~= 'active' and deleted < limit then
    local ids = call('ZRANGE', place[2], 0, limit - deleted - 1)
    if #ids > 0 then
      call('ZREM', place[2], unpack(ids))
      forget(ids)
      publish('d', table.concat(ids))
      deleted = deleted + #ids
    end
  end
end
if deleted > 0 and not FINAL[state] and call('HGET', config, 'draining') then tell_when_empty() end
return deleted
