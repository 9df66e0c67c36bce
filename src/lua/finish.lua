-- finish: end the attempts of many jobs, each fenced by its token.
-- KEYS     specs meta results waiting active scheduled retrying completed failed idem counters wake events
-- ARGV     1 keep_completed  2 keep_failed, then per job: id, token (6 bytes), outcome, delay_ms,
--          result or error or ''; outcome: ack | error | fail | snooze | unhandled | release
-- RETURNS  {new state or 'LEASE_LOST', …}
-- ERRORS   LEASE_LOST (per job: its token is not the current one, nothing changed)
-- EVENTS   completed, retrying, failed, scheduled, waiting
-- COST     O(jobs · log n), jobs ≤ 256, and as many trimmed of each kept set
local keep_completed, keep_failed, now = tonumber(ARGV[1]), tonumber(ARGV[2]), now_ms()
local now_text, now_bytes = integer(now), struct.pack('<I6', now)
-- No crash, attempt 1.
local FIRST_ATTEMPT = struct.pack('<HH', 0, 1)
local NEXT = {
  ack = { state = 'completed', set = completed, letter = 'c', counter = 'completed', final = true },
  fail = { state = 'failed', set = failed, letter = 'f', counter = 'failed', errored = 1, final = true },
  error = { state = 'retrying', set = retrying, letter = 'r', errored = 1 },
  snooze = { state = 'scheduled', set = scheduled, letter = 's', counter = 'snoozed', unused = 1 },
  unhandled = { state = 'scheduled', set = scheduled, letter = 's', counter = 'unhandled', unused = 1 },
  release = { state = 'waiting', set = waiting, letter = 'w', counter = 'released', unused = 1 },
}
local ids, jobs = {}, (#ARGV - 2) / 5
for i = 1, jobs do ids[i] = ARGV[5 * i - 2] end
local found = call('HMGET', meta, unpack(ids))

local verdicts, done, ended, packed, stored, cleared, n, lost, errored = {}, {}, {}, {}, {}, {}, 0, 0, 0
for i, id in ipairs(ids) do
  local at = 5 * i - 2
  local token, outcome, body, record = ARGV[at + 1], ARGV[at + 2], ARGV[at + 4], found[i]
  local to = NEXT[outcome]
  verdicts[i] = to.state
  if not is_meta(record) or done[id] or record:sub(TOKEN, ENDED - 1) ~= token then
    -- The same call again, because its answer was lost, has been done already.
    if done[id] or not record or record:sub(ENDED, ENDED + 5) ~= token then
      verdicts[i], lost = 'LEASE_LOST', lost + 1
    end
  else
    n, done[id], ended[n + 1] = n + 1, true, id
    if not to.ids then to.ids, to.places, to.first = {}, {}, math.huge end
    local m = #to.ids + 1
    to.ids[m], to.places[2 * m] = id, id
    if to.final then
      to.places[2 * m - 1] = now_text
      record = record:sub(1, TOKEN - 1) .. ZERO .. token .. now_bytes .. record:sub(CLAIMED)
    else
      local priority, crashes, attempt, held, _, _, claimed, ready, score, worker, key = unpack_meta(record)
      if outcome ~= 'release' then ready = now + tonumber(ARGV[at + 3]) end
      to.first = math.min(to.first, ready)
      to.places[2 * m - 1] = integer(outcome == 'release' and score or ready)
      record = pack_meta(priority, crashes, attempt - (to.unused or 0), 0, held, 0, claimed, ready, score, worker, key)
    end
    packed[2 * n - 1], packed[2 * n] = id, record
    errored = errored + (to.errored or 0)
    if body ~= '' then
      stored[#stored + 1], stored[#stored + 2] = id, body
    elseif outcome == 'ack' and record:sub(3, 6) ~= FIRST_ATTEMPT then
      cleared[#cleared + 1] = id -- The error of an earlier attempt.
    end
  end
end
if n > 0 then
  call('ZREM', active, unpack(ended))
  call('HSET', meta, unpack(packed))
  if #cleared > 0 then call('HDEL', results, unpack(cleared)) end
  if #stored > 0 then call('HSET', results, unpack(stored)) end
  for outcome, to in pairs(NEXT) do
    if to.ids then
      call('ZADD', to.set, unpack(to.places))
      publish(to.letter, table.concat(to.ids))
      if to.counter then count(to.counter, #to.ids) end
      if outcome == 'release' then ensure_wake() elseif not to.final then wake_for(to.set, to.first) end
    end
  end
  count('errored', errored)
  if NEXT.ack.ids then trim(completed, keep_completed, n + 8) end
  if NEXT.fail.ids then trim(failed, keep_failed, n + 8) end
else
  begin_writes()
end
count('lease_lost', lost)
return verdicts
