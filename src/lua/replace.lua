-- replace: as submit, for jobs that replace the one which holds their key: it is cancelled, or asked to
--          end while it is active.
-- KEYS     specs meta results waiting active scheduled retrying blocked completed failed cancelled idem counters
--          wake events config parked expiring tags
-- ARGV     see prelude_submit.lua, behind a first one: the control channel
-- RETURNS  {now_ms, {place, id of the job that exists or error word, …} of those not created,
--          {place of a job, id that it replaced, …}, see prelude_submit.lua}
-- ERRORS   CANCELLED (as the error of the one replaced), QUEUE_DRAINING, QUEUE_FULL (per job)
-- EVENTS   waiting, scheduled, cancelled
-- COST     O(jobs · log n), jobs ≤ 125
local channel, reason = table.remove(ARGV, 1), 'replaced by a job with the same idempotency key'
-- A write that may grow: a full store refuses this script before it changes anything.
call('HINCRBY', counters, 'seq', 0)

local function rival_of(id, policy)
  local state, set, score = place_of(id)
  if policy < 2 or not state or policy == 2 and (state == 'active' or FINAL[state]) then return nil end
  local record = record_of(id, state, score)
  local frees = (state == 'waiting' or state == 'scheduled') and 1 or 0
  return record and { id = id, state = state, set = set, record = record, frees = frees }
end

local function make_way(rival, now)
  local id, record = rival.id, rival.record
  record.key = ''
  if rival.state == 'active' then
    record.flags = record.flags + (record.flags % 2 == 0 and CANCEL or 0)
    call('HSET', results, id, 'E\9CANCELLED' .. reason)
    tell_workers(channel, { id })
  elseif not FINAL[rival.state] then
    call_off(id, rival.set, record, reason, now)
    publish('x', id)
    count('cancelled', 1)
  end
  write_record(id, record)
end

return submit_jobs(rival_of, make_way)
