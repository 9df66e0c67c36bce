-- delete: delete jobs and all that is stored of them; active ones only when forced.
-- KEYS     specs meta results waiting active scheduled retrying blocked completed failed cancelled idem events
--          config parked expiring tags progress logs history bulk
-- ARGV     1 bulk operation  2 its cursor  3 its next cursor  4 etag  5 'force' or ''  6 control channel,
--          then ids
-- RETURNS  {'deleted' | error word, …}; false when the operation is elsewhere
-- ERRORS   JOB_NOT_FOUND, ETAG_MISMATCH, INVALID_STATE_TRANSITION with the state (per job: nothing
--          changed); never CORRUPT_RECORD: what can not be read can be deleted
-- EVENTS   -
-- COST     O(jobs · log n), jobs ≤ 100
local force, channel, told = ARGV[5] == 'force', ARGV[6], {}
local verdicts = change_jobs(7, { deleted = 'd' }, function(id, state, set)
  if state == 'active' then
    if not force then return nil, 'INVALID_STATE_TRANSITION ' .. state end
    told[#told + 1] = id
  end
  call('ZREM', set, id)
  forget({ id })
  return 'deleted'
end)
tell_workers(channel, told)
return verdicts
