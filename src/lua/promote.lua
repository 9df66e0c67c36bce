-- promote: move due scheduled and retrying jobs to waiting, end pauses and fail jobs whose time is over.
-- KEYS     specs meta results waiting active scheduled retrying blocked failed idem counters wake events config
--          parked expiring
-- ARGV     1 limit of each
-- RETURNS  how many were moved
-- ERRORS   -
-- EVENTS   failed, waiting
-- COST     O(limit · log n), limit ≤ 200
begin_writes()
local now = now_ms()
settle(now, claim_settings())
local moved = promote_due(now, tonumber(ARGV[1]))
if moved > 0 then ensure_wake() end
return moved
