-- Put behind prelude_keep.lua and prelude_history.lua in scripts that people start: they look for single jobs and
-- change them.
local PLACES = {
  { 'waiting', waiting }, { 'active', active }, { 'completed', completed }, { 'scheduled', scheduled },
  { 'retrying', retrying }, { 'failed', failed }, { 'waiting', parked }, { 'cancelled', cancelled },
  { 'blocked', blocked },
}
local FINAL = { completed = true, failed = true, cancelled = true }

-- The state of a job, the set that holds it, and its score there; nothing when none does.
local function place_of(id)
  for _, place in ipairs(PLACES) do
    local score = call('ZSCORE', place[2], id)
    if score then return place[1], place[2], tonumber(score) end
  end
end

-- A job's record by name; that of a waiting or scheduled job which has none yet says what its score says.
-- Nothing when it can not be read.
local function record_of(id, state, score)
  local packed = call('HGET', meta, id)
  if not packed then
    local is_waiting = state == 'waiting'
    return { priority = is_waiting and math.floor(score / BAND) + USUAL_BAND or USUAL_BAND, crashes = 0, attempt = 0,
      token = 0, ended = 0, finished = 0, claimed = 0, ready = is_waiting and 0 or score,
      score = is_waiting and score or 0, flags = 0, revision = 0, worker = '', key = '' }
  end
  local record = {}
  record.priority, record.crashes, record.attempt, record.token, record.ended, record.finished, record.claimed,
    record.ready, record.score, record.flags, record.revision, record.worker, record.key = unpack_meta(packed)
  return record.priority and record or nil
end

local function write_record(id, record)
  call('HSET', meta, id, pack_meta(record.priority, record.crashes, record.attempt, record.token, record.ended,
    record.finished, record.claimed, record.ready, record.score, record.flags, record.revision, record.worker,
    record.key))
end

-- Names this version of a job.
local function etag_of(state, packed)
  return sub(redis.sha1hex(state .. ':' .. (packed or '')), 1, 16)
end

-- Tells the workers of jobs whose end somebody asks for.
local CANCEL_MESSAGE = 'c'
local function tell_workers(channel, ids)
  if #ids > 0 then call('PUBLISH', channel, CANCEL_MESSAGE .. table.concat(ids)) end
end

-- Looks for a job that a caller wants to change, who may have said which version of it.
-- Returns its state, set, score and record, or nothing and why not; no record when it can not be read.
local function look_up(id, etag)
  local state, set, score = place_of(id)
  if not state then return nil, 'JOB_NOT_FOUND' end
  if etag ~= '' and etag ~= etag_of(state, call('HGET', meta, id)) then return nil, 'ETAG_MISMATCH' end
  return state, set, score, record_of(id, state, score)
end

-- Makes a job cancelled that does not run.
local function call_off(id, set, record, reason, now)
  call('ZREM', set, id)
  if record.flags >= FREES_KEY then
    free_key(record.key, id)
    record.key = ''
  end
  record.finished = now
  call('ZADD', cancelled, now, id)
  call('HSET', results, id, 'E\9CANCELLED' .. reason)
end

-- Puts a job at the tail of its band.
local function make_wait(id, set, record, now)
  call('ZREM', set, id)
  record.score, record.ready = score_of(record.priority, call('HINCRBY', counters, 'seq', 1)), now
  call('ZADD', waiting, integer(record.score), id)
end

-- Changes jobs one by one. ARGV: 1 bulk operation or ''  2 its cursor  3 its next cursor  4 etag or '',
-- then what the change needs, then ids from `first_id` on. `change` returns a job's new state, or nothing
-- and why it was not changed. Returns false when a bulk operation is somewhere else by now: nothing is done.
local function change_jobs(first_id, letters, change)
  local op, cursor, next_cursor, etag, now = ARGV[1], ARGV[2], ARGV[3], ARGV[4], now_ms()
  if op ~= '' and (call('HGET', bulk, op .. ':cursor') or '') ~= cursor then return false end
  begin_writes()
  local verdicts, moved, changed, failures, ended = {}, {}, 0, {}, false
  for i = first_id, #ARGV do
    local id = ARGV[i]
    local state, set, score, record = look_up(id, etag)
    local verdict, why = nil, set
    if state and not record and not letters.deleted then
      why = 'CORRUPT_RECORD'
    elseif state then
      verdict, why = change(id, state, set, record, now)
    end
    verdicts[#verdicts + 1] = verdict or why
    if verdict then
      changed, ended = changed + 1, ended or not FINAL[state]
      local letter = letters[verdict]
      if letter then moved[letter] = (moved[letter] or '') .. id end
    else
      failures[#failures + 1] = id .. pack('<Bc0', #why, why)
    end
  end
  for letter, ids in pairs(moved) do publish(letter, ids) end
  if op ~= '' then
    call('HSET', bulk, op .. ':cursor', next_cursor)
    call('HINCRBY', bulk, op .. ':changed', changed)
    call('HINCRBY', bulk, op .. ':skipped', #failures)
    if #failures > 0 then
      -- Whole entries only: those of this call, which are at most 100, the older ones while they fit.
      local old = call('HGET', bulk, op .. ':failures') or ''
      local new = table.concat(failures)
      call('HSET', bulk, op .. ':failures', #old + #new < 16384 and old .. new or new)
    end
  end
  if ended and call('HGET', config, 'draining') then tell_when_empty() end
  return verdicts
end

-- Keeps the spec whose payload is replaced in the job's history.
local function replace_spec(id, spec, now)
  local old = call('HGET', specs, id)
  if old then
    local tell = history_of()
    tell.append({ id }, { tell.entry('P', pack('<I6', now) .. old) })
  end
  call('HSET', specs, id, spec)
end
