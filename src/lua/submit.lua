-- submit: create jobs, each waiting or scheduled; one that exists by id or key is returned instead.
-- KEYS     specs meta waiting scheduled idem counters wake events
-- ARGV     per job: id, spec, priority, due ('' now, '+ms' from now, 'ms' at that time), key or ''
-- RETURNS  {now_ms, {'waiting' | 'scheduled' | id of the job that exists, …}}
-- ERRORS   -
-- EVENTS   waiting, scheduled
-- COST     O(jobs · log n), jobs ≤ 256
local now = now_ms()
local ids, keys = {}, {}
for i = 1, #ARGV, 5 do
  ids[#ids + 1] = ARGV[i]
  if ARGV[i + 4] ~= '' then keys[#keys + 1] = ARGV[i + 4] end
end
local holder, by_key = {}, {}
for i, spec in ipairs(call('HMGET', specs, unpack(ids))) do
  if spec then holder[ids[i]] = ids[i] end
end
if #keys > 0 then
  for i, id in ipairs(call('HMGET', idem, unpack(keys))) do by_key[keys[i]] = id or nil end
end

-- The spec is a protobuf message; the store's clock goes to its end as field 15, fixed64.
local created = '\121' .. struct.pack('<I8', now)
local verdicts, records = {}, {}
local new_specs, new_metas, new_keys, new_waiting, new_scheduled = {}, {}, {}, {}, {}
local first_due = math.huge
for i, id in ipairs(ids) do
  local at = 5 * i - 4
  local spec, priority, due, key = ARGV[at + 1], tonumber(ARGV[at + 2]), ARGV[at + 3], ARGV[at + 4]
  local existing = holder[id] or by_key[key]
  if existing then
    verdicts[i] = existing
  else
    holder[id] = id
    new_specs[#new_specs + 1], new_specs[#new_specs + 2] = id, spec .. created
    local ready = tonumber(due) or now
    if due:sub(1, 1) == '+' then ready = now + tonumber(due:sub(2)) end
    if ready > now then
      verdicts[i] = 'scheduled'
      first_due = math.min(first_due, ready)
      new_scheduled[#new_scheduled + 1], new_scheduled[#new_scheduled + 2] = ready, id
      records[#records + 1] = 's' .. id
    else
      verdicts[i] = 'waiting'
      -- The band for now; the place in it is known once all are counted.
      new_waiting[#new_waiting + 1], new_waiting[#new_waiting + 2] = priority * BAND, id
      records[#records + 1] = 'w' .. id
    end
    if key ~= '' then
      by_key[key] = id
      new_keys[#new_keys + 1], new_keys[#new_keys + 2] = key, id
    end
    if key ~= '' or ready > now then
      new_metas[#new_metas + 1] = id
      new_metas[#new_metas + 1] = pack_meta(priority, 0, 0, 0, 0, 0, ready > now and ready or 0, 0, 0, '', key)
    end
  end
end
if #records == 0 then return { now, verdicts } end

call('HSET', specs, unpack(new_specs))
if #new_waiting > 0 then
  local seq = call('HINCRBY', counters, 'seq', #new_waiting / 2) - #new_waiting / 2
  for i = 1, #new_waiting, 2 do new_waiting[i] = new_waiting[i] + seq + (i + 1) / 2 end
  call('ZADD', waiting, unpack(new_waiting))
  ensure_wake()
end
if #new_metas > 0 then call('HSET', meta, unpack(new_metas)) end
if #new_keys > 0 then call('HSET', idem, unpack(new_keys)) end
if #new_scheduled > 0 then
  call('ZADD', scheduled, unpack(new_scheduled))
  wake_for(scheduled, first_due)
end
count('submitted', #records)
publish(records)
return { now, verdicts }
