-- check: look for damage in one bounded step through a column or set of a queue, and mend it where told so.
--        A job is judged where it is found first, as a whole.
-- KEYS     specs meta results waiting active scheduled retrying blocked completed failed cancelled idem counters
--          wake events config parked expiring tags progress logs history
-- ARGV     1 'mend' or ''  2 name of the column or set, 'queue' for what is said of all jobs, 'tag' with 3 the
--          tag or ''  4 cursor of the scan  5 how many to scan for, then fields to judge instead of a scan
-- RETURNS  {next cursor, {field that was found and not judged, …}, jobs judged, bytes of their specs,
--          {field, damage, what was done or '', …}}
-- ERRORS   CANCELLED, CORRUPT_RECORD (as the job's error)
-- EVENTS   cancelled, completed, failed, retrying, scheduled, waiting
-- COST     O(fields · log n), fields ≤ 125
local mends, source, tag, cursor, count_hint = ARGV[1] == 'mend', ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local now, MOST = now_ms(), 125
local SOURCES = {
  { 'specs', specs, 'HSCAN' }, { 'waiting', waiting }, { 'active', active }, { 'scheduled', scheduled },
  { 'retrying', retrying }, { 'blocked', blocked }, { 'completed', completed }, { 'failed', failed },
  { 'cancelled', cancelled }, { 'parked', parked }, { 'meta', meta, 'HSCAN' }, { 'results', results, 'HSCAN' },
  { 'tags', tags, 'HSCAN' }, { 'progress', progress, 'HSCAN' }, { 'history', history, 'HSCAN' },
  { 'expiring', expiring }, { 'logs', logs, 'HSCAN' },
}
begin_writes()

-- Whether a job was judged already, where another column or set has it.
local function is_judged(id)
  for _, place in ipairs(SOURCES) do
    if place[1] == source then return false end
    if place[3] and call('HEXISTS', place[2], id) == 1 or not place[3] and call('ZSCORE', place[2], id) then
      return true
    end
  end
end

local function judge(field)
  if source == 'queue' then return damage_of_queue(now) end
  if source == 'idem' then return damage_of_key(field) end
  if source == 'tag' then return damage_of_tagged(tag, field) end
  -- The older parts of a log are under the id and a byte.
  local id = source == 'logs' and sub(field, 1, 16) or field
  if is_judged(id) then return nil end
  local word, mend = damage_of(id, now)
  if word == 'left_over' and id ~= field then
    return word, function() call('HDEL', logs, field) return mend() end
  end
  return word, mend
end

local fields, next_cursor, bytes, found = {}, '0', 0, {}
if source == 'queue' then
  fields = { '' }
elseif #ARGV > 5 then
  for i = 6, #ARGV do fields[#fields + 1] = ARGV[i] end
else
  local key, scan = idem, 'HSCAN'
  if source == 'tag' then key, scan = tag_key(tag), 'ZSCAN' end
  for _, place in ipairs(SOURCES) do
    if place[1] == source then key, scan = place[2], place[3] or 'ZSCAN' end
  end
  local page = call(scan, key, cursor, 'COUNT', count_hint)
  next_cursor = page[1]
  for i = 1, #page[2], 2 do fields[#fields + 1], bytes = page[2][i], bytes + #page[2][i + 1] end
end
local left = {}
for i, field in ipairs(fields) do
  if i > MOST then
    left[#left + 1] = field
  else
    -- What was mended can have been two kinds of damage.
    for _ = 1, mends and 5 or 1 do
      local word, mend = judge(field)
      if not word then break end
      found[#found + 1], found[#found + 2], found[#found + 3] = field, word, mends and mend() or ''
    end
  end
end
return { next_cursor, left, math.min(#fields, MOST), bytes, found }
