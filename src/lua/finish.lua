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
local args, now, ids, jobs, n, lost = ARGV, now_ms(), {}, (#ARGV - 3) / 5, 0, 0
for i = 1, jobs do ids[i] = args[5 * i - 1] end
local found = call('HMGET', meta, unpack(ids))
local now_text, now_bytes, none, first_attempt = integer(now), pack('<I6', now), pack('<I6', 0), pack('<HH', 0, 1)
local verdicts, done, ended, packed, moves, stored, cleared, told, entries = {}, {}, {}, {}, {}, {}, {}, {}, {}
for i = 1, jobs do
  local at = 5 * i - 1
  local id, token, outcome, body, record = ids[i], args[at + 1], args[at + 2], args[at + 4], found[i]
  local flags = record and record:byte(FLAGS) or 0
  if flags % 2 == CANCEL and outcome ~= 'ack' then outcome = 'cancel' end
  local is_plain = outcome == 'ack' and flags == 0
  local _, letter, _, told_as = way_of(outcome)
  verdicts[i] = letter
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
      record, place, ready, entry = close_attempt(id, record, outcome, told_as, tonumber(args[at + 3]), body, now)
      if entry then told[#told + 1], entries[#entries + 1] = id, entry end
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
local own = call('HMGET', config, 'keep_completed', 'keep_failed', 'keep_cancelled', 'draining', 'second')
call('ZREM', active, unpack(ended))
begin_second(now, own[5])
call('HSET', meta, unpack(packed))
if #cleared > 0 then call('HDEL', results, unpack(cleared)) end
if #stored > 0 then call('HSET', results, unpack(stored)) end
if #told > 0 then history_of().append(told, entries) end
for outcome, move in pairs(moves) do
  local set, letter, total = way_of(outcome)
  call('ZADD', set, unpack(move.places))
  publish(letter, table.concat(move.ids))
  if total then count(total, move.size) end
  if outcome == 'error' or outcome == 'fail' then count('errored', move.size) end
  if outcome == 'release' then ensure_wake() end
  if set == scheduled or set == retrying then wake_for(set, move.first) end
end
if moves.ack then trim(completed, tonumber(own[1] or args[1]), n + 8) end
if moves.fail then trim(failed, tonumber(own[2] or args[2]), n + 8) end
if moves.cancel then trim(cancelled, tonumber(own[3] or args[3]), n + 8) end
if own[4] then tell_when_empty() end
count('lease_lost', lost)
if jobs < 8 then collectgarbage('step', 16) end -- Nobody waits for this answer, see docs/decisions/060.
return table.concat(verdicts)
