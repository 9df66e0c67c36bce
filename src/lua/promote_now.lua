-- promote_now: make scheduled and retrying jobs wait now.
-- KEYS     meta waiting active scheduled retrying blocked completed failed cancelled counters wake events config
--          parked bulk
-- ARGV     1 bulk operation  2 its cursor  3 its next cursor  4 etag, then ids
-- RETURNS  {'waiting' | error word, …}; false when the operation is elsewhere
-- ERRORS   JOB_NOT_FOUND, ETAG_MISMATCH, CORRUPT_RECORD, INVALID_STATE_TRANSITION with the state
--          (per job: nothing changed)
-- EVENTS   waiting
-- COST     O(jobs · log n), jobs ≤ 100
local any = false
local verdicts = change_jobs(5, { waiting = 'w' }, function(id, state, set, record, now)
  if state ~= 'scheduled' and state ~= 'retrying' then return nil, 'INVALID_STATE_TRANSITION ' .. state end
  make_wait(id, set, record, now)
  write_record(id, record)
  any = true
  return 'waiting'
end)
if any then ensure_wake() end
return verdicts
