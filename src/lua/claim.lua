-- claim: move up to LIMIT waiting jobs to active under a fresh lease; first what is due is promoted
--          and what has lost its worker is taken back, so that idle workers keep a queue in order.
-- KEYS     specs meta results waiting active scheduled retrying failed counters wake events
-- ARGV     1 limit  2 lease_ms  3 worker  4 crash_cap
-- RETURNS  {ms until the next job is due or the next lease ends, or -1,
--          {token, deadline_ms, ids in one string, {spec, …}, {meta, …}}}; the second is absent when nothing waits
-- ERRORS   CORRUPT_RECORD, WORKER_LOST (as the job's error: it has failed)
-- EVENTS   waiting, active, failed
-- COST     O(limit · log n), limit ≤ 125; at most 200 promoted and 100 taken back
local limit, lease_ms, worker, cap = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4])
local now = now_ms()
local _, due = promote_due(now, 100)
local _, _, lease_end = reap_expired(now, 100, cap)
local batch = claim_jobs(now, limit, lease_ms, worker, not lease_end)
local next_at = math.min(due, lease_end or math.huge, batch and batch[2] or math.huge)
return { next_at == math.huge and -1 or math.max(next_at - now, 0), batch }
