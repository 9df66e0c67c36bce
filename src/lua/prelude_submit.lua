-- Put behind prelude.lua in the scripts that create jobs.
-- ARGV     1 'fresh' when no id can be there already, 'check', or 'fence': as check, and something is written
--          even when no job is new, for a caller who waits until all that was written so far is safe;
--          'bound' or 'bound fence': as these, and no job is created whose key or id nobody holds;
--          2 the durability of the queue as the caller knows it, '' for none, '*' when no job goes by it;
--          3 the epoch of the queue's spread as the caller knows it, '' for a queue that was never grown;
--          then per job: id, spec, extras: '' or priority, how to read the time (0 now, 1 from now, 2 at),
--          ms (1, 1, 6 bytes), then the key, '' or a rider
-- A rider carries what few jobs have: '\0', policy, scope (1: the key is freed at the end), start limit
-- (kind 0 none, 1 from now, 2 at that time; 6 bytes of ms), length and text of the tags, the key.

local function read_rider(text, now)
  local _, policy, scope, kind, limit, joined, at = struct.unpack('<BBBBI6Hc0', text)
  if kind == 1 then limit = limit + now end
  return { policy = policy, scope = scope, limit = kind > 0 and limit or 0, tags = joined }, sub(text, at)
end

-- Whether somebody who knows of this epoch has to learn of this spread first: a later one, or none at all,
-- since the queue was deleted.
local function is_behind(epoch, spread)
  local own = tonumber(spread:match('^%d+'))
  return not own or own > (tonumber(epoch) or 0)
end

-- Finds a place for each job, or says why there is none. Where new jobs may replace others, `rival_of`
-- looks at the one that holds a key, and says how many places it `frees` when it makes way.
-- Returns {now_ms, {place, id of the job that exists or error word, …} of jobs that were not created,
-- {place, id that the job replaced, …}, 1 for the first jobs of a queue and 2 more when a worker may have
-- to be woken}. Place 0 with a durability, and with a spread: nothing was stored, because these are the queue's now.
local function submit_jobs(rival_of, make_way)
  local now, jobs, mode, durability, epoch = now_ms(), (#ARGV - 3) / 3, ARGV[1], ARGV[2], ARGV[3]
  local ids, own_keys, keys, riders = {}, {}, {}, {}
  for i = 1, jobs do
    ids[i] = ARGV[3 * i + 1]
    local extras = ARGV[3 * i + 3]
    if #extras > 8 then
      local key = sub(extras, 9)
      if key:byte(1) == 0 then riders[i], key = read_rider(key, now) end
      if key ~= '' then keys[#keys + 1] = key end
      own_keys[i] = key
    end
  end
  local holder, by_key = {}, {}
  if mode ~= 'fresh' then
    for i, spec in ipairs(call('HMGET', specs, unpack(ids))) do holder[ids[i]] = spec and ids[i] or nil end
  end
  if #keys > 0 then
    for i, id in ipairs(call('HMGET', idem, unpack(keys))) do by_key[keys[i]] = id or nil end
  end
  local set, room = call('HMGET', config, 'draining', 'max_waiting', 'durability', 'second', 'spread'),
    math.huge
  local spread, is_bound = set[5] or '', sub(mode, 1, 5) == 'bound'
  local is_stale = spread ~= epoch and is_behind(epoch, spread)
  if is_stale or durability ~= '*' and durability ~= (set[3] or '') then
    return { now, { 0, set[3] or '', 0, spread }, {}, 0 }
  end
  if set[2] then
    -- The partitions of a queue share what the queue may hold.
    room = math.ceil(tonumber(set[2]) / (spread:match('^%d+:(%d+)') or 1))
    room = room - call('ZCARD', waiting) - call('ZCARD', parked) - call('ZCARD', scheduled)
  end

  -- The spec is a protobuf message; the store's clock goes to its end as field 15, fixed64.
  local created = '\121' .. pack('<I8', now)
  local told, new, waits, later, metas, entries, first_due = {}, 0, 0, 0, 0, 0, math.huge
  local new_specs, new_waiting, new_scheduled, new_metas, new_keys = {}, {}, {}, {}, {}
  local waiting_ids, scheduled_ids, replaced, limits, tagged = {}, {}, {}, {}, {}
  for i, id in ipairs(ids) do
    local extras, priority, clock, ready = ARGV[3 * i + 3], USUAL_BAND, 0, 0
    if extras ~= '' then priority, clock, ready = struct.unpack('<BBI6', extras) end
    local key, rider = own_keys[i] or '', riders[i]
    local existing = holder[id] or by_key[key]
    local rival = rival_of and rider and existing and existing ~= id and rival_of(existing, rider.policy)
    local refusal = set[1] and 'QUEUE_DRAINING'
      or new >= room + (rival and rival.frees or 0) and 'QUEUE_FULL' or nil
    if existing and not rival then refusal = existing end
    -- Its key was bound here, where new ones are not, and is free by now; or its id is of here, and not there.
    if is_bound and not existing then refusal = 'free' end
    if refusal then
      told[#told + 1], told[#told + 2] = i, refusal
    else
      if rival then
        make_way(rival, now)
        room = room + rival.frees
        replaced[#replaced + 1], replaced[#replaced + 2] = i, existing
      end
      holder[id], new = id, new + 1
      local spec = ARGV[3 * i + 2]
      if rider and rider.limit > 0 then
        -- Field 14, fixed64.
        spec = spec .. '\113' .. pack('<I8', rider.limit)
        limits[#limits + 1], limits[#limits + 2] = integer(rider.limit), id
      end
      if rider and rider.tags ~= '' then tagged[#tagged + 1], tagged[#tagged + 2] = id, rider.tags end
      if clock == 1 then ready = now + ready end
      if ready > now then
        later, first_due = later + 1, math.min(first_due, ready)
        new_scheduled[2 * later - 1], new_scheduled[2 * later], scheduled_ids[later] = integer(ready), id, id
      else
        -- The band for now; the place in it is known once all are counted.
        waits, ready = waits + 1, 0
        new_waiting[2 * waits - 1], new_waiting[2 * waits], waiting_ids[waits] = score_of(priority, 0), id, id
      end
      if key ~= '' then
        by_key[key], entries = id, entries + 1
        new_keys[2 * entries - 1], new_keys[2 * entries] = key, id
      end
      local is_ordinary = key == '' and not rider and (ready == 0 or priority == USUAL_BAND)
      -- Of an ordinary job that is scheduled the set alone knows when; field 13, fixed64, is for a check.
      if is_ordinary and ready > 0 then spec = spec .. '\105' .. pack('<I8', ready) end
      new_specs[2 * new - 1], new_specs[2 * new] = id, spec .. created
      if not is_ordinary then
        metas = metas + 1
        new_metas[2 * metas - 1] = id
        new_metas[2 * metas] = pack_meta(priority, 0, 0, 0, 0, 0, 0, ready, 0,
          rider and rider.scope == 1 and FREES_KEY or 0, 0, '', key)
      end
    end
  end
  if new == 0 then
    if sub(mode, -5) == 'fence' then
      begin_writes()
      call('HINCRBY', counters, 'fences', 1)
    end
    return { now, told, replaced, 0 }
  end

  call('HSET', specs, unpack(new_specs))
  begin_second(now, set[4])
  if metas > 0 then call('HSET', meta, unpack(new_metas)) end
  if entries > 0 then call('HSET', idem, unpack(new_keys)) end
  if #tagged > 0 then
    call('HSET', tags, unpack(tagged))
    for i = 1, #tagged, 2 do
      for tag in tagged[i + 1]:gmatch('[^\n]+') do call('ZADD', tag_key(tag), now, tagged[i]) end
    end
  end
  if #limits > 0 then
    call('ZADD', expiring, unpack(limits))
    call('HSET', config, 'next_expiry', call('ZRANGE', expiring, 0, 0, 'WITHSCORES')[2])
  end
  local woken = false
  if waits > 0 then
    local seq = call('HINCRBY', counters, 'seq', waits) - waits
    for i = 1, waits do new_waiting[2 * i - 1] = integer(new_waiting[2 * i - 1] + seq + i) end
    call('ZADD', waiting, unpack(new_waiting))
    woken = ensure_wake()
    publish('w', table.concat(waiting_ids))
  end
  if later > 0 then
    call('ZADD', scheduled, unpack(new_scheduled))
    woken = wake_for(scheduled, first_due) or woken
    publish('s', table.concat(scheduled_ids))
  end
  local is_first = call('HINCRBY', counters, 'submitted', new) == new
  return { now, told, replaced, (is_first and 1 or 0) + (woken and 2 or 0) }
end
