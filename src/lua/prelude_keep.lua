-- Put behind prelude.lua where jobs end or are forgotten: what is kept of them.
-- A history has entries of a letter, the length of a body (4 bytes) and the body, oldest first:
-- 'A' an attempt that ended, 'P' a spec whose payload was replaced.
local HISTORY_ATTEMPTS, HISTORY_PAYLOADS, HISTORY_MESSAGE = 20, 2, 1024

-- The letter in the history of an attempt that was acked: told only when the job is retried.
local ACKED = 'a'

local function history_entry(letter, body)
  return letter .. pack('<I4', #body) .. body
end

-- An attempt as its record tells of it; `letter` says how it ended, `failure` as in the results column or ''.
local function attempt_entry(letter, attempt, claimed, ended, worker, failure)
  local code_len = failure:byte(2) or 0
  local code, message = sub(failure, 3, 2 + code_len), sub(failure, 3 + code_len, 2 + code_len + HISTORY_MESSAGE)
  return history_entry('A', letter .. pack('<HI6I6Bc0Bc0', attempt, claimed, ended, #worker, worker,
    #code, code) .. message)
end

-- Drops the oldest entries that are too many.
local function shorten_history(text)
  local starts, letters, at = {}, { A = -HISTORY_ATTEMPTS, P = -HISTORY_PAYLOADS }, 1
  while at + 4 <= #text do
    local letter = sub(text, at, at)
    starts[#starts + 1] = at
    letters[letter] = (letters[letter] or 0) + 1
    at = at + 5 + struct.unpack('<I4', text, at + 1)
  end
  if letters.A <= 0 and letters.P <= 0 then return text end
  local kept = {}
  for i, start in ipairs(starts) do
    local letter = sub(text, start, start)
    letters[letter] = letters[letter] - 1
    if letters[letter] < 0 then kept[#kept + 1] = sub(text, start, (starts[i + 1] or #text + 1) - 1) end
  end
  return table.concat(kept)
end

-- Frees a key, unless another job holds it by now.
local function free_key(key, id)
  if key ~= '' and call('HGET', idem, key) == id then call('HDEL', idem, key) end
end

local function append_history(ids, entries)
  local packed = {}
  for i, old in ipairs(call('HMGET', history, unpack(ids))) do
    packed[2 * i - 1], packed[2 * i] = ids[i], shorten_history((old or '') .. entries[i])
  end
  call('HSET', history, unpack(packed))
end

local function drop_tags(ids)
  for i, joined in ipairs(call('HMGET', tags, unpack(ids))) do
    for tag in (joined or ''):gmatch('[^\n]+') do call('ZREM', tag_key(tag), ids[i]) end
  end
  call('HDEL', tags, unpack(ids))
end

-- Deletes what the handlers of jobs said.
local function forget_reports(ids)
  call('HDEL', progress, unpack(ids))
  for _, id in ipairs(ids) do
    local fields = { id }
    for slot = 1, LOG_SLOTS do fields[slot + 1] = id .. string.char(slot) end
    call('HDEL', logs, unpack(fields))
  end
end

-- Deletes the columns of jobs that no set holds any more.
local function forget(ids)
  if call('EXISTS', idem, tags, progress, logs, history, expiring) > 0 then
    if call('EXISTS', idem) > 0 then
      for i, packed in ipairs(call('HMGET', meta, unpack(ids))) do
        free_key(select(13, unpack_meta(packed)) or '', ids[i])
      end
    end
    drop_tags(ids)
    if call('EXISTS', progress, logs) > 0 then forget_reports(ids) end
    call('HDEL', history, unpack(ids))
    call('ZREM', expiring, unpack(ids))
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

-- Says that a draining queue has no jobs left to run.
local function tell_when_empty()
  for _, set in ipairs({ waiting, active, scheduled, retrying, blocked, parked }) do
    if call('ZCARD', set) > 0 then return end
  end
  publish('e', '')
end
