-- Put behind prelude_control.lua and prelude_due.lua in check.lua: what can be wrong with a job, and how it is
-- mended. Each of these looks at a job as a whole and mends it within the same call, so that nothing that
-- moves meanwhile looks like damage.
local SET_ASIDE = 'E\14CORRUPT_RECORD'
-- A lease ends at the latest so long after it was extended, in ms.
local LONGEST_LEASE, NEW_LEASE = 86400000, 15000
local LETTERS = { waiting = 'w', scheduled = 's', retrying = 'r', completed = 'c', failed = 'f', cancelled = 'x' }

-- A number of a protobuf message, low sevens of bits first, and where the next thing begins.
local function read_varint(text, at)
  local number, scale = 0, 1
  for i = at, at + 9 do
    local byte = text:byte(i)
    if not byte then return nil end
    number, scale = number + byte % 128 * scale, scale * 128
    if byte < 128 then return number, i + 1 end
  end
end

-- Whether a spec is a whole message that begins with the kind and ends with the time of the submit; and for when
-- it was scheduled if it had no record then, or 0.
local function is_spec(spec)
  local at, last, fields, run_at = 1, 0, 0, 0
  if spec:byte(1) ~= 10 then return false end
  while at <= #spec and fields < 5000 do
    last, at = read_varint(spec, at)
    if not last then return false end
    local wire = last % 8
    if wire == 0 then
      at = select(2, read_varint(spec, at))
    elseif wire == 2 then
      local length, start = read_varint(spec, at)
      at = length and start + length
    elseif wire == 1 or wire == 5 then
      if last == 105 and #spec >= at + 7 then run_at = struct.unpack('<I8', spec, at) end
      at = at + (wire == 1 and 8 or 4)
    else
      return false
    end
    if not at then return false end
    fields = fields + 1
  end
  return at == #spec + 1 and last == 121, run_at
end

-- The band of a waiting job's score, and its place in the band; nothing for what no script writes.
local function read_score(score)
  local band = math.floor(score / BAND) + USUAL_BAND
  local seq = score - (band - USUAL_BAND) * BAND
  if band < 0 or band > 9 or seq % 1 ~= 0 or seq < 1 then return nil end
  return band, seq
end

local function enter(id, state, set, score)
  call('ZADD', set, integer(score), id)
  if LETTERS[state] then publish(LETTERS[state], id) end
  if state == 'waiting' then ensure_wake() end
end

-- The record of a job, or what is known where none is left.
local function record_or_new(id, packed)
  if packed then return record_of(id, 'waiting', 0) end
  return { priority = USUAL_BAND, crashes = 0, attempt = 0, token = 0, ended = 0, finished = 0, claimed = 0, ready = 0,
    score = 0, flags = 0, revision = 0, worker = '', key = '' }
end

-- Puts a job that no set holds where it waits for a worker: at its old place if it had one.
local function wait_again(id, record)
  if record.token > 0 then record.token, record.attempt = 0, math.max(record.attempt - 1, 0) end
  if read_score(record.score) ~= record.priority then
    record.score = score_of(record.priority, call('HINCRBY', counters, 'seq', 1))
  end
  enter(id, 'waiting', waiting, record.score)
  write_record(id, record)
  return 'put back to waiting'
end

local function put_aside(id, from, now)
  for _, place in ipairs(from) do call('ZREM', place[2], id) end
  local record = record_or_new(id, call('HGET', meta, id)) or record_or_new(id, nil)
  record.priority, record.token, record.finished = math.min(record.priority, 9), 0, now
  if record.flags >= FREES_KEY then
    free_key(record.key, id)
    record.key = ''
  end
  write_record(id, record)
  call('ZREM', expiring, id)
  set_aside({ id }, now)
  tell_if_drained()
  return 'set aside to failed as CORRUPT_RECORD'
end

-- Whether the last thing in a job's history is that its handler ended at that time because it was called off.
local function was_called_off(id, finished)
  local text, at, last = call('HGET', history, id) or '', 1, nil
  while at + 4 <= #text do
    last = at
    at = at + 5 + struct.unpack('<I4', text, at + 1)
  end
  if not last or #text < last + 19 or sub(text, last, last) ~= 'A' then return false end
  return sub(text, last + 5, last + 5) == 'x' and struct.unpack('<I6', text, last + 14) == finished
end

-- Puts a job that no set holds where its record says it was.
local function restore(id, packed, run_at, now)
  local record, stored = record_or_new(id, packed), call('HGET', results, id) or ''
  if not record then return put_aside(id, {}, now) end
  if not packed then record.ready = run_at end
  if record.finished > 0 then
    local state, set = 'completed', completed
    if sub(stored, 1, 11) == 'E\9CANCELLED' or was_called_off(id, record.finished) then
      state, set = 'cancelled', cancelled
    elseif sub(stored, 1, 1) == 'E' then
      state, set = 'failed', failed
    end
    enter(id, state, set, record.finished)
    return 'put back to ' .. state
  end
  if record.token == 0 and record.ready > now then
    local state = sub(stored, 1, 1) == 'E' and record.attempt > 0 and 'retrying' or 'scheduled'
    local set = state == 'retrying' and retrying or scheduled
    enter(id, state, set, record.ready)
    wake_for(set, record.ready)
    write_record(id, record)
    return 'put back to ' .. state
  end
  return wait_again(id, record)
end

-- Which of several sets a job belongs to: the one that its record speaks of, else one in which it still runs.
local function right_place(places, record)
  local best, rank = nil, math.huge
  for _, place in ipairs(places) do
    local state, is_right = place[1], 3
    if FINAL[state] then
      is_right = record and record.finished > 0 and 1 or 4
    elseif state == 'active' then
      is_right = record and record.token > 0 and 1 or 5
    elseif record and record.token == 0 and record.finished == 0 then
      is_right = 2
    end
    if is_right < rank then best, rank = place, is_right end
  end
  return best
end

-- Writes a record for a job that has none where there must be one.
local function make_record(id, state, set, score)
  local record = record_or_new(id, nil)
  if state == 'active' then
    call('ZREM', set, id)
    return wait_again(id, record)
  elseif FINAL[state] then
    record.finished = score
  else
    record.ready = score
  end
  write_record(id, record)
  return 'given a new record'
end
