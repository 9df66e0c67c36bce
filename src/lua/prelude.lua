-- Put before every queue script: the keys by name, and what several scripts need.
-- KEYS come in the order of QueueKeys in src/keys.rs, all of one queue, all in one slot.
local specs, meta, results, waiting, active, scheduled, retrying, blocked, completed, failed,
  cancelled, idem, counters, wake, events, config, parked, expiring, tags, progress, logs, history,
  bulk = unpack(KEYS)
local call, sub, format, pack = redis.call, string.sub, string.format, struct.pack

-- A waiting job's score is (band - USUAL_BAND) * BAND + seq: exact in a double, bands in order, first
-- in first out. Redis reads and writes scores as text, so those of the usual band are short.
local BAND, USUAL_BAND = 2 ^ 48, 5
-- A set whose first member is this long is not in the compact form of small sets, in which every
-- lease is looked for from one end and moves all others.
local ROOMY = string.rep(' ', 65)
-- In how many fields the older lines of a job's log go round, see src/report_codec.rs.
local LOG_SLOTS = 14
-- How many entries the event stream keeps, at the least.
local EVENT_ENTRIES = 2000
-- The packed record of a job, see src/meta.rs: version, priority, crashes, attempt, token, ended,
-- finished, claimed, ready, score, flags, revision, worker, key. Absent until first needed. Scripts that
-- change few fields of many records cut and join the bytes: TOKEN, ENDED, … say where a field begins.
local META, META_VERSION, META_MIN = '<BBHHI6I6I6I6I6dBHBc0Hc0', 1, 50
local TOKEN, ENDED, FINISHED, CLAIMED, FLAGS = 7, 13, 19, 25, 45
-- The bits of the flags: somebody asked an active job to end; it gives its key up when it is final.
local CANCEL, FREES_KEY = 1, 2

local function now_ms()
  local time = call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function pack_meta(priority, crashes, attempt, token, ended, finished, claimed, ready, score, flags,
    revision, worker, key)
  return pack(META, META_VERSION, priority, crashes, attempt, token, ended, finished, claimed, ready, score,
    flags, revision, #worker, worker, #key, key)
end

-- Whether a record can be read: struct.unpack raises on lengths that do not add up, and nothing
-- may raise after a write.
local function is_meta(packed)
  if not packed or #packed < META_MIN or packed:byte(1) ~= META_VERSION then return false end
  local worker_len = packed:byte(48)
  local low, high = packed:byte(49 + worker_len, 50 + worker_len)
  return high and #packed == META_MIN + worker_len + low + 256 * high
end

-- Returns the fields behind the version; nothing when the record can not be read.
local function unpack_meta(packed)
  if not is_meta(packed) then return nil end
  local _, priority, crashes, attempt, token, ended, finished, claimed, ready, score, flags, revision, worker, key =
    struct.unpack(META, packed)
  return priority, crashes, attempt, token, ended, finished, claimed, ready, score, flags, revision, worker, key
end

-- Redis writes a number that is an argument with all 17 digits of a double, which is slow.
local function integer(number)
  return format('%d', number)
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

-- Returns whether there was no token.
local function ensure_wake()
  if call('LLEN', wake) > 0 then return false end
  call('LPUSH', wake, 1)
  return true
end

-- A worker sleeps until the next job is due: tell one when an earlier one arrives. Returns as the above.
local function wake_for(set, due)
  local head = call('ZRANGE', set, 0, 0, 'WITHSCORES')
  return head[2] and tonumber(head[2]) >= due and ensure_wake() or false
end

-- One entry a call: for each new state a letter and the ids of the jobs that are in it now.
local function publish(...)
  call('XADD', events, 'MAXLEN', '~', EVENT_ENTRIES, '*', ...)
end

-- A tag's index: the jobs that have it, by the time of their submit.
local function tag_key(tag)
  return sub(specs, 1, -6) .. 'tag:' .. tag
end
