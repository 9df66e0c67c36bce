-- extend: renew the leases of one worker on one queue, each fenced by its token.
-- KEYS     meta active
-- ARGV     1 lease_ms, then per job: id, token (6 bytes)
-- RETURNS  {'held' | 'cancel' | 'LEASE_LOST', …}; 'cancel' is held, too, and somebody asked for the job's end
-- ERRORS   LEASE_LOST (per job: somebody else has it, or nobody)
-- EVENTS   -
-- COST     O(jobs · log n), jobs ≤ 125
local deadline = integer(now_ms() + tonumber(ARGV[1]))
local ids = {}
for i = 2, #ARGV, 2 do ids[#ids + 1] = ARGV[i] end
local verdicts, leases = {}, {}
for i, packed in ipairs(call('HMGET', meta, unpack(ids))) do
  if is_meta(packed) and packed:sub(TOKEN, ENDED - 1) == ARGV[2 * i + 1] then
    verdicts[i] = packed:byte(FLAGS) % 2 == CANCEL and 'cancel' or 'held'
    leases[#leases + 1], leases[#leases + 2] = deadline, ids[i]
  else
    verdicts[i] = 'LEASE_LOST'
  end
end
begin_writes()
if #leases > 0 then call('ZADD', active, 'XX', unpack(leases)) end
return verdicts
