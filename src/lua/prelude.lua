-- Put before every queue script: the keys by name, and what several scripts need.
-- KEYS come in the order of QueueKeys in src/keys.rs, all of one queue, all in one slot.
local specs, meta, results, waiting, active, scheduled, retrying, blocked, completed, failed,
  cancelled, idem, counters, wake, events = unpack(KEYS)
local call, sub, pack = redis.call, string.sub, struct.pack

-- A waiting job's score is (band - USUAL_BAND) * BAND + seq: exact in a double, bands in order, first
-- in first out. Redis reads and writes scores as text, so those of the usual band are short.
local BAND, USUAL_BAND = 2 ^ 48, 5
-- A set whose first member is this long is not in the compact form of small sets, in which every
-- lease is looked for from one end and moves all others.
local ROOMY = string.rep(' ', 65)
-- How many entries the event stream keeps, at the least.
local EVENT_ENTRIES = 2000
-- The packed record of a job, see src/meta.rs: version, priority, crashes, attempt, token, ended,
-- finished, claimed, ready, score, worker, key. Absent until first needed. Scripts that change few
-- fields of many records cut and join the bytes instead: TOKEN, ENDED, … say where a field begins.
local META, META_VERSION, META_MIN = '<BBHHI6I6I6I6I6dBc0Hc0', 1, 47
local TOKEN, ENDED, FINISHED, CLAIMED = 7, 13, 19, 25

local function now_ms()
  local time = call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function pack_meta(priority, crashes, attempt, token, ended, finished, claimed, ready, score, worker, key)
  return struct.pack(META, META_VERSION, priority, crashes, attempt, token, ended, finished, claimed, ready,
    score, #worker, worker, #key, key)
end

-- Whether a record can be read: struct.unpack raises on lengths that do not add up, and nothing
-- may raise after a write.
local function is_meta(packed)
  if not packed or #packed < META_MIN or packed:byte(1) ~= META_VERSION then return false end
  local worker_len = packed:byte(45)
  local low, high = packed:byte(46 + worker_len, 47 + worker_len)
  return high and #packed == META_MIN + worker_len + low + 256 * high
end

-- Returns the fields behind the version; nothing when the record can not be read.
local function unpack_meta(packed)
  if not is_meta(packed) then return nil end
  local _, priority, crashes, attempt, token, ended, finished, claimed, ready, score, worker, key =
    struct.unpack(META, packed)
  return priority, crashes, attempt, token, ended, finished, claimed, ready, score, worker, key
end

-- Redis writes a number that is an argument with all 17 digits of a double, which is slow.
local function integer(number)
  return string.format('%d', number)
end

local function score_of(band, seq)
  return (band - USUAL_BAND) * BAND + seq
end

-- submit.lua puts the time at the end of every spec.
local function created_ms(spec)
  return spec and #spec > 8 and struct.unpack('<I8', spec:sub(-8)) or nil
end

-- At maxmemory Redis refuses a script whose first write can grow memory, but not one that has
-- already written: scripts that must go on in a full store begin with a write that can not grow.
local function begin_writes()
  call('ZREM', active, '')
end

local function ensure_wake()
  if call('LLEN', wake) == 0 then call('LPUSH', wake, 1) end
end

-- A worker sleeps until the next job is due: tell one when an earlier one arrives.
local function wake_for(set, due)
  local head = call('ZRANGE', set, 0, 0, 'WITHSCORES')
  if head[2] and tonumber(head[2]) >= due then ensure_wake() end
end

-- One entry a call: for each new state a letter and the ids of the jobs that are in it now.
local function publish(...)
  call('XADD', events, 'MAXLEN', '~', EVENT_ENTRIES, '*', ...)
end

local function count(name, by)
  if by > 0 then call('HINCRBY', counters, name, by) end
end

-- Deletes the columns of jobs that no set holds any more.
local function forget(ids)
  if call('HLEN', idem) > 0 then
    local keys = {}
    for i, packed in ipairs(call('HMGET', meta, unpack(ids))) do
      local key = select(11, unpack_meta(packed))
      if key and key ~= '' and call('HGET', idem, key) == ids[i] then keys[#keys + 1] = key end
    end
    if #keys > 0 then call('HDEL', idem, unpack(keys)) end
  end
  call('HDEL', specs, unpack(ids))
  call('HDEL', meta, unpack(ids))
  call('HDEL', results, unpack(ids))
end

-- Keeps the newest `keep` of a set of finished jobs; drops at most `limit` of the others.
local function trim(set, keep, limit)
  local excess = math.min(call('ZCARD', set) - keep, limit)
  if excess <= 0 then return 0 end
  -- Not ZPOPMIN: it writes out every score, which nobody reads.
  local ids = call('ZRANGE', set, 0, excess - 1)
  call('ZREMRANGEBYRANK', set, 0, excess - 1)
  forget(ids)
  return #ids
end

-- Moves up to `limit` due jobs of a set to the tail of their bands.
-- Returns how many, and the score of the next one left.
local function promote_from(set, now, limit)
  local head = call('ZRANGE', set, 0, 0, 'WITHSCORES')
  if not head[1] or tonumber(head[2]) > now then return 0, tonumber(head[2]) end
  local due, ids = call('ZRANGEBYSCORE', set, '-inf', now, 'WITHSCORES', 'LIMIT', 0, limit), {}
  for i = 1, #due, 2 do ids[#ids + 1] = due[i] end
  call('ZREM', set, unpack(ids))
  local last = call('HINCRBY', counters, 'seq', #ids)
  local metas, scores, packed = call('HMGET', meta, unpack(ids)), {}, {}
  for i, id in ipairs(ids) do
    local priority, crashes, attempt, _, ended, finished, claimed, _, _, worker, key = unpack_meta(metas[i])
    local score = score_of(priority or USUAL_BAND, last - #ids + i)
    scores[2 * i - 1], scores[2 * i] = integer(score), id
    packed[2 * i - 1] = id
    packed[2 * i] = pack_meta(priority or USUAL_BAND, crashes or 0, attempt or 0, 0, ended or 0, finished or 0,
      claimed or 0, tonumber(due[2 * i]), score, worker or '', key or '')
  end
  call('ZADD', waiting, unpack(scores))
  call('HSET', meta, unpack(packed))
  publish('w', table.concat(ids))
  head = call('ZRANGE', set, 0, 0, 'WITHSCORES')
  return #ids, tonumber(head[2])
end

local function promote_due(now, limit)
  local a, next_a = promote_from(scheduled, now, limit)
  local b, next_b = promote_from(retrying, now, limit)
  return a + b, math.min(next_a or math.huge, next_b or math.huge)
end

-- Puts jobs whose record can not be read aside, where people see them.
local function set_aside(ids, now)
  local failures, errors = {}, {}
  for i, id in ipairs(ids) do
    failures[2 * i - 1], failures[2 * i] = now, id
    errors[2 * i - 1], errors[2 * i] = id, 'E\14CORRUPT_RECORDthe record of the job can not be read'
  end
  call('ZADD', failed, unpack(failures))
  call('HSET', results, unpack(errors))
  count('failed', #ids)
  publish('f', table.concat(ids))
end

-- Takes up to `limit` jobs back whose lease ran out: to the head of their band, or to failed when
-- `cap` workers were lost over them. Returns how many of each, and the deadline of the next lease.
local function reap_expired(now, limit, cap)
  local head = call('ZRANGE', active, 0, 0, 'WITHSCORES')
  if not head[1] or tonumber(head[2]) > now then return 0, 0, tonumber(head[2]) end
  local ids = call('ZRANGEBYSCORE', active, '-inf', now, 'LIMIT', 0, limit)
  call('ZREM', active, unpack(ids))
  local back, over, back_ids, over_ids, packed, errors, corrupt = {}, {}, {}, {}, {}, {}, {}
  local lost = 'E\11WORKER_LOST' .. integer(cap) .. ' workers were lost while they ran this job'
  for i, record in ipairs(call('HMGET', meta, unpack(ids))) do
    local id = ids[i]
    local priority, crashes, attempt, _, ended, _, claimed, ready, score, worker, key = unpack_meta(record)
    local is_over = priority and crashes + 1 >= cap
    if not priority then
      corrupt[#corrupt + 1] = id
    elseif is_over then
      over[#over + 1], over[#over + 2], over_ids[#over_ids + 1] = now, id, id
      errors[#errors + 1], errors[#errors + 2] = id, lost
    else
      back[#back + 1], back[#back + 2], back_ids[#back_ids + 1] = integer(score), id, id
    end
    if priority then
      packed[#packed + 1] = id
      packed[#packed + 1] = pack_meta(priority, crashes + 1, attempt - 1, 0, ended, is_over and now or 0, claimed,
        ready, score, worker, key)
    end
  end
  if #packed > 0 then call('HSET', meta, unpack(packed)) end
  if #over > 0 then
    call('ZADD', failed, unpack(over))
    call('HSET', results, unpack(errors))
    count('failed', #over_ids)
    publish('f', table.concat(over_ids))
  end
  if #back > 0 then
    call('ZADD', waiting, unpack(back))
    ensure_wake()
    publish('w', table.concat(back_ids))
  end
  if #corrupt > 0 then set_aside(corrupt, now) end
  count('lease_expired', #ids)
  head = call('ZRANGE', active, 0, 0, 'WITHSCORES')
  return #back_ids, #over_ids + #corrupt, tonumber(head[2])
end

-- Moves up to `limit` waiting jobs to active under one fresh token.
-- Returns {token, deadline, ids in one string, specs, metas}, or nothing when none waits.
-- `no_lease` says that the set of leases is empty.
local function claim_jobs(now, limit, lease_ms, worker, no_lease)
  local popped = call('ZPOPMIN', waiting, limit)
  if #popped == 0 then
    call('DEL', wake)
    return nil
  end
  local ids = {}
  for i = 1, #popped / 2 do ids[i] = popped[2 * i - 1] end
  local found_specs, found_metas = call('HMGET', specs, unpack(ids)), call('HMGET', meta, unpack(ids))
  local token, deadline = call('HINCRBY', counters, 'claims', 1), now + lease_ms
  local n, taken, taken_specs, taken_metas, packed, corrupt = 0, {}, {}, {}, {}, {}
  local leases = no_lease and { 0, ROOMY } or {}
  -- What the records of all jobs that run for the first time have in common, by band.
  local first, tail, lease_end = {}, pack('<Bc0H', #worker, worker, 0), integer(deadline)
  for i, id in ipairs(ids) do
    local spec, record, score = found_specs[i], found_metas[i], tonumber(popped[2 * i])
    if not spec or #spec < 9 then
      record = nil
    elseif not record then
      local band = math.floor(score / BAND) + USUAL_BAND
      local head = first[band]
      if not head then
        head = pack('<BBHHI6I6I6I6', META_VERSION, band, 0, 1, token, 0, 0, now)
        first[band] = head
      end
      -- Ready since it was submitted: the low six bytes of the time at the end of the spec.
      record = head .. sub(spec, -8, -3) .. pack('<d', score) .. tail
    else
      local priority, crashes, attempt, _, ended, _, _, ready, _, _, key = unpack_meta(record)
      if ready == 0 then ready = created_ms(spec) end
      record = priority and pack_meta(priority, crashes, attempt + 1, token, ended, 0, now, ready, score, worker, key)
    end
    if record then
      n = n + 1
      taken[n], taken_specs[n], taken_metas[n] = id, spec, record
      leases[#leases + 1], leases[#leases + 2] = lease_end, id
      packed[2 * n - 1], packed[2 * n] = id, record
    else
      corrupt[#corrupt + 1] = id
    end
  end
  taken = table.concat(taken)
  if n > 0 then
    call('ZADD', active, unpack(leases))
    if no_lease then call('ZREM', active, ROOMY) end
    call('HSET', meta, unpack(packed))
    publish('a', taken)
  end
  if #corrupt > 0 then set_aside(corrupt, now) end
  if call('ZCARD', waiting) > 0 then ensure_wake() else call('DEL', wake) end
  return { token, deadline, taken, taken_specs, taken_metas }
end
