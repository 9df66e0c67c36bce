-- submit: create jobs, each waiting or scheduled; one that exists by id or key is returned instead.
-- KEYS     specs meta waiting scheduled idem counters wake events
-- ARGV     1 'fresh' when no id can be there already, or 'check', then per job: id, spec, extras: '' or
--          priority, how to read the time (0 now, 1 from now, 2 at), ms (1, 1, 6 bytes), key or ''
-- RETURNS  {now_ms, {place, id, …}}: which jobs of this call existed already, and as what
-- ERRORS   -
-- EVENTS   waiting, scheduled
-- COST     O(jobs · log n), jobs ≤ 125
local now, jobs = now_ms(), (#ARGV - 1) / 3
local ids, keys = {}, {}
for i = 1, jobs do
  ids[i] = ARGV[3 * i - 1]
  local extras = ARGV[3 * i + 1]
  if #extras > 8 then keys[#keys + 1] = sub(extras, 9) end
end
local holder, by_key = {}, {}
if ARGV[1] == 'check' then
  for i, spec in ipairs(call('HMGET', specs, unpack(ids))) do holder[ids[i]] = spec and ids[i] or nil end
end
if #keys > 0 then
  for i, id in ipairs(call('HMGET', idem, unpack(keys))) do by_key[keys[i]] = id or nil end
end

-- The spec is a protobuf message; the store's clock goes to its end as field 15, fixed64.
local created = '\121' .. struct.pack('<I8', now)
local existed, new, waits, later, metas, entries, first_due = {}, 0, 0, 0, 0, 0, math.huge
local new_specs, new_waiting, new_scheduled, new_metas, new_keys = {}, {}, {}, {}, {}
local waiting_ids, scheduled_ids = {}, {}
for i, id in ipairs(ids) do
  local extras, priority, clock, ready, key = ARGV[3 * i + 1], USUAL_BAND, 0, 0, ''
  if extras ~= '' then
    priority, clock, ready = struct.unpack('<BBI6', extras)
    key = sub(extras, 9)
  end
  local existing = holder[id] or by_key[key]
  if existing then
    existed[#existed + 1], existed[#existed + 2] = i, existing
  else
    holder[id], new = id, new + 1
    new_specs[2 * new - 1], new_specs[2 * new] = id, ARGV[3 * i] .. created
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
    if key ~= '' or ready > 0 then
      metas = metas + 1
      new_metas[2 * metas - 1] = id
      new_metas[2 * metas] = pack_meta(priority, 0, 0, 0, 0, 0, 0, ready, 0, '', key)
    end
  end
end
if new == 0 then return { now, existed } end

call('HSET', specs, unpack(new_specs))
if metas > 0 then call('HSET', meta, unpack(new_metas)) end
if entries > 0 then call('HSET', idem, unpack(new_keys)) end
if waits > 0 then
  local seq = call('HINCRBY', counters, 'seq', waits) - waits
  for i = 1, waits do new_waiting[2 * i - 1] = integer(new_waiting[2 * i - 1] + seq + i) end
  call('ZADD', waiting, unpack(new_waiting))
  ensure_wake()
  publish('w', table.concat(waiting_ids))
end
if later > 0 then
  call('ZADD', scheduled, unpack(new_scheduled))
  wake_for(scheduled, first_due)
  publish('s', table.concat(scheduled_ids))
end
count('submitted', new)
return { now, existed }
