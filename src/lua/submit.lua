-- submit: create jobs, each waiting or scheduled; one that exists by id or key is returned instead.
-- KEYS     specs meta waiting active scheduled idem counters wake events config parked expiring tags
-- ARGV     see prelude_submit.lua
-- RETURNS  {now_ms, {place, id of the job that exists or error word, …} of those not created, {},
--          see prelude_submit.lua}
-- ERRORS   QUEUE_DRAINING, QUEUE_FULL (per job)
-- EVENTS   waiting, scheduled
-- COST     O(jobs · log n), jobs ≤ 125
return submit_jobs()
