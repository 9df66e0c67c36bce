-- promote: move due scheduled and retrying jobs to waiting.
-- KEYS     meta waiting active scheduled retrying counters wake events
-- ARGV     1 limit of each
-- RETURNS  how many were moved
-- ERRORS   -
-- EVENTS   waiting
-- COST     O(limit · log n), limit ≤ 200
begin_writes()
local moved = promote_due(now_ms(), tonumber(ARGV[1]))
if moved > 0 then ensure_wake() end
return moved
