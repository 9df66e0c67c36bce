-- finish: end the attempts of many jobs, each fenced by its token.
-- KEYS     specs meta results waiting active scheduled retrying completed failed idem counters wake events
-- ARGV     1 keep_completed  2 keep_failed, then per job: id, token (6 bytes), outcome, delay_ms,
--          result or error or ''; outcome: ack | error | fail | snooze | unhandled | release
-- RETURNS  a letter per job: of its new state as in events, or '-' when its lease is lost: its token
--          is not the current one, nothing changed
-- ERRORS   -
-- EVENTS   completed, retrying, failed, scheduled, waiting
-- COST     O(jobs · log n), jobs ≤ 125, and as many trimmed of each kept set
local args, now = ARGV, now_ms()
local SET = {
  ack = completed, fail = failed, error = retrying, snooze = scheduled, unhandled = scheduled, release = waiting,
}
local LETTER = { ack = 'c', fail = 'f', error = 'r', snooze = 's', unhandled = 's', release = 'w' }
local TOTAL = { ack = 'completed', fail = 'failed', snooze = 'snoozed', unhandled = 'unhandled', release = 'released' }
local ids, jobs = {}, (#args - 2) / 5
for i = 1, jobs do ids[i] = args[5 * i - 2] end
local found = call('HMGET', meta, unpack(ids))
local now_text, now_bytes, none, first_attempt = integer(now), pack('<I6', now), pack('<I6', 0), pack('<HH', 0, 1)
local verdicts, done, ended, packed, moves, stored, cleared, n, lost = {}, {}, {}, {}, {}, {}, {}, 0, 0
for i = 1, jobs do
  local at = 5 * i - 2
  local id, token, outcome, body, record = ids[i], args[at + 1], args[at + 2], args[at + 4], found[i]
  local final = outcome == 'ack' or outcome == 'fail'
  verdicts[i] = LETTER[outcome]
  if not record or done[id] or sub(record, TOKEN, ENDED - 1) ~= token or not (final or is_meta(record)) then
    -- The same call again, because its answer was lost, has been done already.
    if not record or done[id] or sub(record, ENDED, FINISHED - 1) ~= token then
      verdicts[i], lost = '-', lost + 1
    end
  else
    n, done[id] = n + 1, true
    local move = moves[outcome] or { ids = {}, places = {}, size = 0, first = math.huge }
    local place, size = now_text, move.size + 1
    if body ~= '' then
      stored[#stored + 1], stored[#stored + 2] = id, body
    elseif outcome == 'ack' and sub(record, 3, 6) ~= first_attempt then
      cleared[#cleared + 1] = id -- The error of an earlier attempt.
    end
    if final then
      record = sub(record, 1, TOKEN - 1) .. none .. token .. now_bytes .. sub(record, CLAIMED)
    else
      local priority, crashes, attempt, held, _, _, claimed, ready, score, worker, key = unpack_meta(record)
      if outcome ~= 'error' then attempt = attempt - 1 end
      if outcome ~= 'release' then ready = now + tonumber(args[at + 3]) end
      place, move.first = integer(outcome == 'release' and score or ready), math.min(move.first, ready)
      record = pack_meta(priority, crashes, attempt, 0, held, 0, claimed, ready, score, worker, key)
    end
    ended[n], packed[2 * n - 1], packed[2 * n] = id, id, record
    moves[outcome], move.size, move.ids[size] = move, size, id
    move.places[2 * size - 1], move.places[2 * size] = place, id
  end
end
if n > 0 then
  call('ZREM', active, unpack(ended))
  call('HSET', meta, unpack(packed))
  if #cleared > 0 then call('HDEL', results, unpack(cleared)) end
  if #stored > 0 then call('HSET', results, unpack(stored)) end
  for outcome, move in pairs(moves) do
    call('ZADD', SET[outcome], unpack(move.places))
    publish(LETTER[outcome], table.concat(move.ids))
    if TOTAL[outcome] then count(TOTAL[outcome], move.size) end
    if outcome == 'error' or outcome == 'fail' then count('errored', move.size) end
    if outcome == 'release' then
      ensure_wake()
    elseif outcome ~= 'ack' and outcome ~= 'fail' then
      wake_for(SET[outcome], move.first)
    end
  end
  if moves.ack then trim(completed, tonumber(args[1]), n + 8) end
  if moves.fail then trim(failed, tonumber(args[2]), n + 8) end
else
  begin_writes()
end
count('lease_lost', lost)
return table.concat(verdicts)
