-- cancel: call jobs off: at once while they do not run, else by asking their handlers to end.
-- KEYS     specs meta results waiting active scheduled retrying blocked completed failed cancelled idem counters
--          events config parked expiring tags progress logs history bulk
-- ARGV     1 bulk operation  2 its cursor  3 its next cursor  4 etag  5 keep_cancelled  6 control channel
--          7 reason, then ids
-- RETURNS  {'cancelled' | 'active' | error word, …}; false when the operation is elsewhere
-- ERRORS   CANCELLED (as the job's error), JOB_NOT_FOUND, ETAG_MISMATCH, CORRUPT_RECORD,
--          INVALID_STATE_TRANSITION with the state (per job: nothing changed)
-- EVENTS   cancelled
-- COST     O(jobs · log n), jobs ≤ 100
local keep, channel, reason = tonumber(ARGV[5]), ARGV[6], ARGV[7]
local told, off = {}, 0
local verdicts = change_jobs(8, { cancelled = 'x' }, function(id, state, set, record, now)
  if FINAL[state] then return nil, 'INVALID_STATE_TRANSITION ' .. state end
  if state ~= 'active' then
    call_off(id, set, record, reason, now)
    off = off + 1
    write_record(id, record)
    return 'cancelled'
  end
  if record.flags % 2 == 0 then
    record.flags = record.flags + CANCEL
    call('HSET', results, id, 'E\9CANCELLED' .. reason)
    write_record(id, record)
  end
  told[#told + 1] = id
  return 'active'
end)
count('cancelled', off)
tell_workers(channel, told)
if off > 0 then trim(cancelled, tonumber(call('HGET', config, 'keep_cancelled') or keep), off + 8) end
return verdicts
