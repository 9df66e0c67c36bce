-- finish: end the attempts of many jobs, each fenced by its token. A job whose end somebody has asked for
--         becomes cancelled unless its handler succeeded.
-- KEYS     specs meta results waiting active scheduled retrying blocked completed failed cancelled idem counters
--          wake events config parked expiring tags progress logs history
-- ARGV     1 keep_completed  2 keep_failed  3 keep_cancelled, then per job: id, token (6 bytes), outcome,
--          delay_ms, result or error or ''; outcome: ack | error | fail | snooze | unhandled | release | cancel
-- RETURNS  a letter per job: of its new state as in events, or '-' when its token is not the current one
-- ERRORS   -
-- EVENTS   completed, retrying, failed, scheduled, waiting, cancelled
-- COST     O(jobs · log n), jobs ≤ 125, and as many trimmed of each kept set
local args, now, ids, jobs = ARGV, now_ms(), {}, (#ARGV - 3) / 5
for i = 1, jobs do ids[i] = args[5 * i - 1] end
local found = call('HMGET', meta, unpack(ids))
local now_text, now_bytes, none, first_attempt = integer(now), pack('<I6', now), pack('<I6', 0), pack('<HH', 0, 1)
local verdicts, done, ended, packed, moves, stored, cleared, n, lost = {}, {}, {}, {}, {}, {}, {}, 0, 0
local told, entries = {}, {}
for i = 1, jobs do
  local at = 5 * i - 1
  local id, token, outcome, body, record = ids[i], args[at + 1], args[at + 2], args[at + 4], found[i]
  local flags = record and record:byte(FLAGS) or 0
  if flags % 2 == CANCEL and outcome ~= 'ack' then outcome = 'cancel' end
  local is_plain = outcome == 'ack' and flags == 0
  local way = WAYS[outcome]
  verdicts[i] = way[2]
  if not record or done[id] or sub(record, TOKEN, ENDED - 1) ~= token or not (is_plain or is_meta(record)) then
    -- The same call again, because its answer was lost, has been done already.
    if not record or done[id] or sub(record, ENDED, FINISHED - 1) ~= token then
      verdicts[i], lost = '-', lost + 1
    end
  else
    n, done[id] = n + 1, true
    local move = moves[outcome] or { ids = {}, places = {}, size = 0, first = math.huge }
    local place, size = now_text, move.size + 1
    -- Of a job that was called off the reason stays, which `cancel` has stored.
    if body ~= '' and outcome ~= 'cancel' then
      stored[#stored + 1], stored[#stored + 2] = id, body
    elseif outcome == 'ack' and (flags > 0 or sub(record, 3, 6) ~= first_attempt) then
      cleared[#cleared + 1] = id -- The error of an earlier attempt.
    end
    if is_plain then
      record = sub(record, 1, TOKEN - 1) .. none .. token .. now_bytes .. sub(record, CLAIMED)
    else
      local ready, entry
      record, place, ready, entry = close_attempt(id, record, outcome, tonumber(args[at + 3]), body, now)
      if way[4] then told[#told + 1], entries[#entries + 1] = id, entry end
      move.first = math.min(move.first, ready)
    end
    ended[n], packed[2 * n - 1], packed[2 * n] = id, id, record
    moves[outcome], move.size, move.ids[size] = move, size, id
    move.places[2 * size - 1], move.places[2 * size] = place, id
  end
end
if n == 0 then
  begin_writes()
  -- Not in a queue that was deleted: nothing may begin it anew but a job.
  if call('EXISTS', counters) > 0 then count('lease_lost', lost) end
  return table.concat(verdicts)
end
local set = call('HMGET', config, 'keep_completed', 'keep_failed', 'keep_cancelled', 'draining', 'second')
call('ZREM', active, unpack(ended))
begin_second(now, set[5])
call('HSET', meta, unpack(packed))
if #cleared > 0 then call('HDEL', results, unpack(cleared)) end
if #stored > 0 then call('HSET', results, unpack(stored)) end
if #told > 0 then append_history(told, entries) end
for outcome, move in pairs(moves) do
  local way = WAYS[outcome]
  call('ZADD', way[1], unpack(move.places))
  publish(way[2], table.concat(move.ids))
  if way[3] then count(way[3], move.size) end
  if outcome == 'error' or outcome == 'fail' then count('errored', move.size) end
  if outcome == 'release' then ensure_wake() end
  if way[1] == scheduled or way[1] == retrying then wake_for(way[1], move.first) end
end
if moves.ack then trim(completed, tonumber(set[1] or args[1]), n + 8) end
if moves.fail then trim(failed, tonumber(set[2] or args[2]), n + 8) end
if moves.cancel then trim(cancelled, tonumber(set[3] or args[3]), n + 8) end
if set[4] then tell_when_empty() end
count('lease_lost', lost)
return table.concat(verdicts)
