-- measure: adds what a worker measured of attempts that have ended to the minute and the hour.
-- KEYS     specs waiting counters config parked
-- ARGV     1 how many kinds may have measures of their own at once, then per kind: its name, '' for all
--          together, measures as in src/measures.rs
-- RETURNS  1, or 0 when there is no such queue: nothing may begin it anew but a job
-- ERRORS   -
-- EVENTS   -
-- COST     O(kinds · places of the histograms), kinds ≤ 17, places ≤ 256, twice two histograms a kind
if call('EXISTS', counters) == 0 then return 0 end
begin_second(now_ms(), call('HGET', config, 'second'))
local open, most, names, packed = kept_key('measures'), 2 * (tonumber(ARGV[1]) + 1), {}, {}
for i = 2, #ARGV, 2 do names[i - 1], names[i] = 'm' .. ARGV[i], 'h' .. ARGV[i] end
local known = call('HLEN', open)
for i, old in ipairs(call('HMGET', open, unpack(names))) do
  local is_new = not old and #names[i] > 1
  if not is_new or known < most then
    known = known + (is_new and 1 or 0)
    packed[#packed + 1], packed[#packed + 2] = names[i], add_measures(old, ARGV[2 * math.ceil(i / 2) + 1])
  end
end
call('HSET', open, unpack(packed))
return 1
