-- Put behind prelude_pause.lua in claim.lua: how a claim takes jobs. Where nothing is due it ends here with its
-- answer, and what stands behind this is not made.

-- Takes jobs. `said` is what `claim_settings` returns, and `next_at` when the next thing is due that claims do.
-- Returns the answer, and the jobs whose record can not be read.
local function take(now, said, kinds, next_at, has_active, is_late)
  local limit, lease_ms, worker = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3]
  local is_held, resume = holds(said[1], now)
  if is_held and resume > 0 then next_at = math.min(next_at, resume) end

  -- Where a kind is paused this goes on behind its jobs, for a while.
  local token, deadline = nil, now + lease_ms
  local n, taken, taken_specs, taken_metas, packed, corrupt, kept = 0, {}, {}, {}, {}, {}, {}
  local may_be_more = true
  local leases = has_active and {} or { 0, ROOMY }
  -- What the records of all jobs that run for the first time have in common, by band.
  local first, tail, lease_end_text = {}, pack('<BHBc0H', 0, 0, #worker, worker, 0), integer(deadline)
  while n < limit and #kept < 200 and not is_held and not is_late do
    local popped, ids = call('ZPOPMIN', waiting, limit - n), {}
    may_be_more = #popped == 2 * (limit - n)
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
    if not has_active then call('ZREM', active, ROOMY) end
    call('HSET', meta, unpack(packed))
    publish('a', taken)
  end
  if #kept > 0 then call('ZADD', parked, unpack(kept)) end
  if not is_held and may_be_more and call('ZCARD', waiting) > 0 then ensure_wake() else call('DEL', wake) end
  if #kept >= 200 or is_late then next_at = now end
  if n == 0 then return { next_at == math.huge and -1 or math.max(next_at - now, 0) }, corrupt end
  local wait = math.max(math.min(next_at, deadline) - now, 0)
  local defaults = { said[6] or '', said[7] or '', said[8] or '' }
  return { wait, { token, deadline, taken, taken_specs, taken_metas, defaults } }, corrupt
end

-- When the first member of a set is due.
local function first_of(set)
  return tonumber(call('ZRANGE', set, 0, 0, 'WITHSCORES')[2]) or math.huge
end

local now, said = now_ms(), claim_settings()
-- What it took, where nothing is due.
local at_once, unreadable = nil, {}
do
  local due, lease_end = math.min(first_of(scheduled), first_of(retrying)), first_of(active)
  local settled_until = math.min(tonumber(said[3]) or math.huge, tonumber(said[5]) or math.huge)
  if not said[4] and settled_until >= now and math.min(due, lease_end) > now then
    local next_at = math.min(due, lease_end, settled_until)
    at_once, unreadable = take(now, said, said[2] or '', next_at, lease_end < math.huge, false)
    if #unreadable == 0 then return at_once end
  end
end

