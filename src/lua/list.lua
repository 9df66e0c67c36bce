-- list: one step through the jobs of a queue, without payloads and results.
-- KEYS     specs meta results waiting active scheduled retrying blocked completed failed cancelled config
--          parked tags progress
-- ARGV     1 columns to read, some of `smetp`  2 most jobs  3 bytes after which it stops  4 how, then
--          for `scan`: 5 'all' or 'active'  6 cursor;  for `set`: 5 a state or tag  6 'up' or 'down'
--          7 score or ''  8 id behind which it goes on;  for `ids`: the ids
-- RETURNS  {next cursor, ids found, jobs read, bytes read, {max_attempts, timeout, backoff} of the queue, rows,
--          process that the cursor of a scan is of}, with nine fields a row: id, score in the set it was
--          found in, state, score there, spec, record, error, tags, progress; '' where there is none
-- ERRORS   -
-- EVENTS   -
-- COST     O(jobs · log n), jobs ≤ 200 and those in one place of a scan
local columns, most, budget, how = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]
local cursor, found, known, run, state = '0', {}, {}, '', nil
if how == 'ids' then
  for i = 5, #ARGV do found[#found + 1], found[#found + 2] = ARGV[i], '' end
elseif how == 'scan' then
  local reply
  if ARGV[5] == 'active' then
    reply, state = call('ZSCAN', active, ARGV[6], 'COUNT', most), 'active'
  else
    reply = call('HSCAN', specs, ARGV[6], 'COUNT', most)
    for i = 1, #reply[2], 2 do known[reply[2][i]] = reply[2][i + 1] end
  end
  cursor, found = reply[1], reply[2]
  run = call('INFO', 'server'):match('run_id:(%x+)') or ''
else
  local down = ARGV[6] == 'down'
  for _, place in ipairs(PLACES) do
    if place[1] == ARGV[5] then
      state = place[1]
      local more = beside(place[2], ARGV[7], ARGV[8], down, most)
      found = #found == 0 and more or merge(found, more, down, most)
    end
  end
  if not state then found = beside(sub(specs, 1, -6) .. ARGV[5], ARGV[7], ARGV[8], down, most) end
end

local function column(letter, key, ids)
  return columns:find(letter, 1, true) and #ids > 0 and call('HMGET', key, unpack(ids)) or {}
end

local rows, bytes, at, chunk = {}, 0, 1, 4
-- A small hash comes whole, whatever was asked for: then the caller says which.
local whole = how == 'scan' and #found > 2 * 256
while not whole and at <= #found and (bytes < budget or how == 'scan') do
  local ids, failures, failure_of = {}, {}, {}
  for i = at, math.min(at + 2 * chunk - 2, #found - 1), 2 do ids[#ids + 1] = found[i] end
  local records = (not state or columns:find('m')) and call('HMGET', meta, unpack(ids)) or {}
  local some_specs, some_tags, reports = column('s', specs, known[ids[1]] and {} or ids), column('t', tags, ids),
    column('p', progress, ids)
  local states, scores = {}, {}
  for i, id in ipairs(ids) do
    states[i], scores[i] = state, found[at + 2 * i - 1]
    if not state or scores[i] == '' then states[i], scores[i] = find_place(id, records[i]) end
    if states[i] ~= 'completed' then failures[#failures + 1] = id end
  end
  for i, failure in ipairs(column('e', results, failures)) do failure_of[failures[i]] = failure end
  for i, id in ipairs(ids) do
    local spec, failure = known[id] or some_specs[i] or '', failure_of[id] or ''
    bytes = bytes + #spec + #failure
    local fields = { id, how == 'set' and found[at + 2 * i - 1] or '', states[i] or '', scores[i] or '',
      columns:find('s', 1, true) and without_payload(spec) or '', records[i] or '', short_error(failure),
      some_tags[i] or '', reports[i] or '' }
    for _, field in ipairs(fields) do rows[#rows + 1] = field end
  end
  at = at + 2 * #ids
  if bytes < budget / 8 then chunk = math.min(2 * chunk, 64) end
end
if whole then
  for i = 1, #found, 2 do rows[#rows + 1] = found[i] end
end
return { cursor, #found / 2, whole and 0 or (at - 1) / 2, bytes, call('HMGET', config, 'max_attempts', 'timeout',
  'backoff'), rows, run }
