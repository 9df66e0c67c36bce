-- reap: take jobs back whose lease ran out: to the head of their band, or to failed over the crash cap.
-- KEYS     specs meta results waiting active scheduled retrying blocked failed cancelled idem counters wake events
--          config parked history
-- ARGV     1 limit  2 crash_cap
-- RETURNS  {put back, failed}
-- ERRORS   CORRUPT_RECORD, WORKER_LOST (as the job's error: it has failed)
-- EVENTS   cancelled, failed, waiting
-- COST     O(limit · log n), limit ≤ 200
local limit, cap = tonumber(ARGV[1]), tonumber(ARGV[2])
local put_back, over = reap_expired(now_ms(), limit, cap)
return { put_back, over }
