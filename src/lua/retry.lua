-- retry: make final jobs wait again with all their attempts, and retrying ones without the rest of their
--        backoff.
-- KEYS     specs meta results waiting active scheduled retrying blocked completed failed cancelled counters wake
--          events config parked progress history bulk
-- ARGV     1 bulk operation  2 its cursor  3 its next cursor  4 etag  5 new spec or '' (for one job only),
--          then ids
-- RETURNS  {'waiting' | error word, …}; false when the operation is elsewhere
-- ERRORS   JOB_NOT_FOUND, ETAG_MISMATCH, CORRUPT_RECORD, INVALID_STATE_TRANSITION with the state
--          (per job: nothing changed)
-- EVENTS   waiting
-- COST     O(jobs · log n), jobs ≤ 100
local new_spec, any = ARGV[5], false
local verdicts = change_jobs(6, { waiting = 'w' }, function(id, state, set, record, now)
  if not FINAL[state] and state ~= 'retrying' then return nil, 'INVALID_STATE_TRANSITION ' .. state end
  if state == 'completed' then
    local tell = history_of()
    tell.append({ id }, { tell.attempt(ACKED, record.attempt, record.claimed, record.finished, record.worker, '') })
  end
  if FINAL[state] then
    record.crashes, record.attempt, record.finished, record.claimed, record.worker = 0, 0, 0, 0, ''
    record.flags = record.flags - record.flags % 2
    call('HDEL', results, id)
    call('HDEL', progress, id)
  end
  if new_spec ~= '' then replace_spec(id, new_spec, now) end
  record.revision = (record.revision + 1) % 65536
  make_wait(id, set, record, now)
  write_record(id, record)
  any = true
  return 'waiting'
end)
if any then ensure_wake() end
return verdicts
