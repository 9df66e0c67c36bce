-- Put before prelude_submit.lua: how the new jobs of a call are stored.
-- The extras of a job: '' for an ordinary one, or priority, how to read the time (0 now, 1 from now, 2 at),
-- ms (1, 1, 6 bytes), then the key, '' or a rider.
-- A rider carries what few jobs have: '\0', policy, scope (1: the key is freed at the end), start limit
-- (kind 0 none, 1 from now, 2 at that time; 6 bytes of ms), length and text of the tags, the key.

-- Stores the new ones of the jobs, but for the places of those that wait. Returns how many are new; of those
-- that wait the arguments of a ZADD, with a band in place of each score, and the ids; what prelude_submit.lua
-- answers of jobs that were not created and of those that replaced others; whether a worker may have to be woken.
local function store_each(jobs, now, room, is_draining, created, rival_of, make_way)
  local mode, is_bound = ARGV[1], sub(ARGV[1], 1, 5) == 'bound'
  local ids, own_keys, keys, riders = {}, {}, {}, {}
  for i = 1, jobs do
    ids[i] = sub(ARGV[4], 16 * i - 15, 16 * i)
    local extras = ARGV[4 + jobs + i] or ''
    if #extras > 8 then
      local key = sub(extras, 9)
      if key:byte(1) == 0 then
        local _, policy, scope, kind, limit, joined, at = struct.unpack('<BBBBI6Hc0', key)
        if kind == 1 then limit = limit + now end
        riders[i] = { policy = policy, scope = scope, limit = kind > 0 and limit or 0, tags = joined }
        key = sub(key, at)
      end
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

  local told, new, waits, later, metas, entries, first_due = {}, 0, 0, 0, 0, 0, math.huge
  local new_specs, new_waiting, new_scheduled, new_metas, new_keys = {}, {}, {}, {}, {}
  local waiting_ids, scheduled_ids, replaced, limits, tagged = {}, {}, {}, {}, {}
  for i, id in ipairs(ids) do
    local extras, priority, clock, ready = ARGV[4 + jobs + i] or '', USUAL_BAND, 0, 0
    if extras ~= '' then priority, clock, ready = struct.unpack('<BBI6', extras) end
    local key, rider = own_keys[i] or '', riders[i]
    local existing = holder[id] or by_key[key]
    local rival = rival_of and rider and existing and existing ~= id and rival_of(existing, rider.policy)
    local refusal = is_draining and 'QUEUE_DRAINING'
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
      local spec = ARGV[4 + i]
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
  if new == 0 then return 0, {}, '', told, replaced, false end

  call('HSET', specs, unpack(new_specs))
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
  if later > 0 then
    call('ZADD', scheduled, unpack(new_scheduled))
    woken = wake_for(scheduled, first_due)
    publish('s', table.concat(scheduled_ids))
  end
  return new, new_waiting, table.concat(waiting_ids), told, replaced, woken
end

-- The same of ordinary jobs, where nothing refuses any and nothing has to be looked at.
local function store_all(jobs, created)
  local argv, new_specs, new_waiting = ARGV, {}, {}
  local ids = argv[4]
  for i = 1, jobs do
    local id = sub(ids, 16 * i - 15, 16 * i)
    new_specs[2 * i - 1], new_specs[2 * i] = id, argv[4 + i] .. created
    new_waiting[2 * i - 1], new_waiting[2 * i] = 0, id
  end
  call('HSET', specs, unpack(new_specs))
  return jobs, new_waiting, ids, {}, {}, false
end
