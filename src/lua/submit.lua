-- submit: create jobs, each waiting or scheduled; one that exists by id or key is returned instead.
-- KEYS     specs meta waiting scheduled idem counters wake events
-- ARGV     1 'fresh' when no id can be there already, or 'check', then per job: id, spec, priority,
--          due ('' now, '+ms' from now, 'ms' at that time), key or ''
-- RETURNS  {now_ms, {'waiting' | 'scheduled' | id of the job that exists, …}}
-- ERRORS   -
-- EVENTS   waiting, scheduled
-- COST     O(jobs · log n), jobs ≤ 256
local now, jobs = now_ms(), (#ARGV - 1) / 5
local ids, keys = {}, {}
for i = 1, jobs do
  ids[i] = ARGV[5 * i - 3]
  local key = ARGV[5 * i + 1]
  if key ~= '' then keys[#keys + 1] = key end
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
local verdicts, new, waits, later, metas, entries, first_due = {}, 0, 0, 0, 0, 0, math.huge
local new_specs, new_waiting, new_scheduled, new_metas, new_keys = {}, {}, {}, {}, {}
local waiting_ids, scheduled_ids = {}, {}
for i, id in ipairs(ids) do
  local at = 5 * i - 3
  local due, key = ARGV[at + 3], ARGV[at + 4]
  local existing = holder[id] or by_key[key]
  if existing then
    verdicts[i] = existing
  else
    holder[id], new = id, new + 1
    new_specs[2 * new - 1], new_specs[2 * new] = id, ARGV[at + 1] .. created
    local ready = 0
    if due ~= '' then ready = due:byte(1) == 43 and now + tonumber(due:sub(2)) or tonumber(due) end
    if ready > now then
      later, first_due, verdicts[i] = later + 1, math.min(first_due, ready), 'scheduled'
      new_scheduled[2 * later - 1], new_scheduled[2 * later], scheduled_ids[later] = integer(ready), id, id
    else
      -- The band for now; the place in it is known once all are counted.
      waits, ready, verdicts[i] = waits + 1, 0, 'waiting'
      new_waiting[2 * waits - 1], new_waiting[2 * waits], waiting_ids[waits] = score_of(ARGV[at + 2], 0), id, id
    end
    if key ~= '' then
      by_key[key], entries = id, entries + 1
      new_keys[2 * entries - 1], new_keys[2 * entries] = key, id
    end
    if key ~= '' or ready > 0 then
      metas = metas + 1
      new_metas[2 * metas - 1] = id
      new_metas[2 * metas] = pack_meta(tonumber(ARGV[at + 2]), 0, 0, 0, 0, 0, 0, ready, 0, '', key)
    end
  end
end
if new == 0 then return { now, verdicts } end

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
return { now, verdicts }
