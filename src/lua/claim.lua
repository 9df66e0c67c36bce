-- claim: move up to LIMIT waiting jobs to active under a fresh lease; promotes what is due first.
-- KEYS     specs meta results waiting active scheduled retrying failed counters wake events
-- ARGV     1 limit  2 lease_ms  3 worker
-- RETURNS  {ms until the next job is due or -1, {token, deadline_ms, {id, …}, {spec, …}, {meta, …}}}; the
--          second is absent when nothing waits
-- ERRORS   CORRUPT_RECORD (as the job's error: it is set aside to failed)
-- EVENTS   waiting, active, failed
-- COST     O(limit · log n), limit ≤ 256, and at most 200 promoted
local limit, lease_ms, worker = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3]
local now = now_ms()
local _, next_due = promote_due(now, 100)
local wait = next_due == math.huge and -1 or math.max(next_due - now, 0)
return { wait, claim_jobs(now, limit, lease_ms, worker) }
