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
local limit, lease_ms, worker, cap = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4])
local now = now_ms()
local paused, kinds, settled_until, defaults, is_late = settle(now)
local _, due = promote_due(now, 100)
local _, _, lease_end = reap_expired(now, 100, cap)
local is_held, resume = holds(paused, now)
local next_at = math.min(due, lease_end or math.huge, settled_until)
if is_held and resume > 0 then next_at = math.min(next_at, resume) end

-- Where a kind is paused this goes on behind its jobs, for a while.
local token, deadline = nil, now + lease_ms
local n, taken, taken_specs, taken_metas, packed, corrupt, kept = 0, {}, {}, {}, {}, {}, {}
local leases = lease_end and {} or { 0, ROOMY }
-- What the records of all jobs that run for the first time have in common, by band.
local first, tail, lease_end_text = {}, pack('<BHBc0H', 0, 0, #worker, worker, 0), integer(deadline)
while n < limit and #kept < 200 and not is_held and not is_late do
  local popped, ids = call('ZPOPMIN', waiting, limit - n), {}
  if #popped == 0 then break end
  for i = 1, #popped / 2 do ids[i] = popped[2 * i - 1] end
  local found_specs, found_metas = call('HMGET', specs, unpack(ids)), call('HMGET', meta, unpack(ids))
  token = token or call('HINCRBY', counters, 'claims', 1)
  for i, id in ipairs(ids) do
    local spec, record, score = found_specs[i], found_metas[i], tonumber(popped[2 * i])
    if kinds ~= '' and is_paused(kinds, kind_of(spec), now) then
      kept[#kept + 1], kept[#kept + 2], record = popped[2 * i], id, nil
    else
      if not spec or #spec < 9 then
        record = nil
      elseif not record then
        local band = math.floor(score / BAND) + USUAL_BAND
        first[band] = first[band] or pack('<BBHHI6I6I6I6', META_VERSION, band, 0, 1, token, 0, 0, now)
        -- Ready since it was submitted: the low six bytes of the time at the end of the spec.
        record = first[band] .. sub(spec, -8, -3) .. pack('<d', score) .. tail
      else
        local priority, crashes, attempt, _, ended, _, _, ready, _, flags, revision, _, key = unpack_meta(record)
        if ready == 0 then ready = created_ms(spec) end
        record = priority and pack_meta(priority, crashes, attempt + 1, token, ended, 0, now, ready, score, flags,
          revision, worker, key)
      end
      if not record then corrupt[#corrupt + 1] = id end
    end
    if record then
      n = n + 1
      taken[n], taken_specs[n], taken_metas[n] = id, spec, record
      leases[#leases + 1], leases[#leases + 2] = lease_end_text, id
      packed[2 * n - 1], packed[2 * n] = id, record
    end
  end
  if kinds == '' then break end
end
taken = table.concat(taken)
if n > 0 then
  call('ZADD', active, unpack(leases))
  if not lease_end then call('ZREM', active, ROOMY) end
  call('HSET', meta, unpack(packed))
  publish('a', taken)
end
if #kept > 0 then call('ZADD', parked, unpack(kept)) end
if #corrupt > 0 then
  set_aside(corrupt, now)
  tell_if_drained()
end
if not is_held and call('ZCARD', waiting) > 0 then ensure_wake() else call('DEL', wake) end
if #kept >= 200 or is_late then next_at = now end
if n == 0 then return { next_at == math.huge and -1 or math.max(next_at - now, 0) } end
local wait = math.max(math.min(next_at, deadline) - now, 0)
return { wait, { token, deadline, taken, taken_specs, taken_metas, defaults } }
