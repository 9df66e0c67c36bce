-- delete_queue: delete a queue that has no jobs.
-- KEYS     specs waiting active scheduled retrying blocked completed failed cancelled parked
-- ARGV     -
-- RETURNS  how many jobs it has: deleted when that is 0
-- ERRORS   -
-- EVENTS   -
-- COST     O(1)
local jobs = 0
for _, place in ipairs(PLACES) do jobs = jobs + call('ZCARD', place[2]) end
if jobs == 0 then
  call('UNLINK', unpack(KEYS))
  forget_kept()
end
return jobs
