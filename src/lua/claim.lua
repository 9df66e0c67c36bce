-- claim: move up to LIMIT waiting jobs to active under a fresh lease, unless the queue or their kind is
--          paused; first what is due is promoted, what has lost its worker taken back and what is too
--          late failed, so that idle workers keep a queue in order.
-- KEYS     specs meta results waiting active scheduled retrying blocked failed cancelled idem counters wake
--          events config parked expiring history
-- ARGV     1 limit  2 lease_ms  3 worker  4 crash_cap
-- RETURNS  {ms until the next job is due, the next lease or pause ends, or -1,
--          {token, deadline_ms, ids in one string, {spec, …}, {meta, …}, {max_attempts, timeout, backoff} of the queue
--          or '' each}}; the second is absent when nothing is claimed
-- ERRORS   CORRUPT_RECORD, EXPIRED, WORKER_LOST (as the job's error: it has failed)
-- EVENTS   waiting, active, failed, cancelled
-- COST     O(limit · log n), limit ≤ 125; at most 100 each promoted, taken back, expired and unparked
-- Most claims end before this, in prelude_take.lua.
local answer, corrupt = at_once, unreadable
if not answer then
  local kinds, settled_until, is_late = settle(now, said)
  local _, due = promote_due(now, 100)
  local _, _, lease_end = reap_expired(now, 100, tonumber(ARGV[4]))
  local next_at = math.min(due, lease_end or math.huge, settled_until)
  answer, corrupt = take(now, said, kinds, next_at, lease_end ~= nil, is_late)
end
if #corrupt > 0 then
  set_aside(corrupt, now)
  tell_if_drained()
end
return answer
