-- finish: end the attempts of many jobs, each fenced by its token.
-- KEYS     specs meta results waiting active scheduled retrying completed failed idem counters wake events
-- ARGV     1 keep_completed  2 keep_failed, then per job: id, token, outcome, delay_ms, result or error or ''
--          outcome: ack | error | fail | snooze | unhandled | release
-- RETURNS  {new state or 'LEASE_LOST', …}
-- ERRORS   LEASE_LOST (per job: its token is not the current one, nothing changed)
-- EVENTS   completed, retrying, failed, scheduled, waiting
-- COST     O(jobs · log n), jobs ≤ 256, and as many trimmed of each kept set
local keep_completed, keep_failed = tonumber(ARGV[1]), tonumber(ARGV[2])
local NEXT = {
  ack = { 'completed', completed, 'c', 'completed' }, fail = { 'failed', failed, 'f', 'failed' },
  error = { 'retrying', retrying, 'r' }, release = { 'waiting', waiting, 'w', 'released' },
  snooze = { 'scheduled', scheduled, 's', 'snoozed' }, unhandled = { 'scheduled', scheduled, 's', 'unhandled' },
}
local now, ids = now_ms(), {}
for i = 3, #ARGV, 5 do ids[#ids + 1] = ARGV[i] end
local found = call('HMGET', meta, unpack(ids))

local verdicts, records, ended_ids, packed, stored, moves, counts = {}, {}, {}, {}, {}, {}, {}
local cleared, lost, errored, first_due, done = {}, 0, 0, math.huge, {}
for i, id in ipairs(ids) do
  local at = 5 * i - 2
  local given, outcome, delay, body = tonumber(ARGV[at + 1]), ARGV[at + 2], tonumber(ARGV[at + 3]), ARGV[at + 4]
  local priority, crashes, attempt, score, token, ended, ready, claimed, _, worker, key = unpack_meta(found[i])
  local to = NEXT[outcome]
  if token == given and not done[id] then
    done[id] = true
    local place = outcome == 'release' and score or now + delay
    moves[to[2]] = moves[to[2]] or {}
    local move = moves[to[2]]
    move[#move + 1], move[#move + 2] = place, id
    if to[4] then counts[to[4]] = (counts[to[4]] or 0) + 1 end
    if outcome == 'error' or outcome == 'fail' then errored = errored + 1 end
    if outcome == 'snooze' or outcome == 'unhandled' or outcome == 'release' then attempt = attempt - 1 end
    local final = outcome == 'ack' or outcome == 'fail'
    if not final and outcome ~= 'release' then ready, first_due = place, math.min(first_due, place) end
    packed[#packed + 1] = id
    packed[#packed + 1] = pack_meta(priority, crashes, attempt, score, 0, token, ready, claimed,
      final and now or 0, worker, key)
    if body ~= '' then stored[#stored + 1], stored[#stored + 2] = id, body
    elseif outcome == 'ack' and attempt + crashes > 1 then cleared[#cleared + 1] = id end
    ended_ids[#ended_ids + 1], records[#records + 1], verdicts[i] = id, to[3] .. id, to[1]
  elseif ended == given and not done[id] then
    verdicts[i] = to[1] -- The same call again, its answer was lost: it has been done.
  else
    verdicts[i], lost = 'LEASE_LOST', lost + 1
  end
end
if #ended_ids == 0 then
  begin_writes()
  count('lease_lost', lost)
  return verdicts
end

call('ZREM', active, unpack(ended_ids))
for set, move in pairs(moves) do call('ZADD', set, unpack(move)) end
call('HSET', meta, unpack(packed))
if #cleared > 0 then call('HDEL', results, unpack(cleared)) end
if #stored > 0 then call('HSET', results, unpack(stored)) end
if moves[waiting] then ensure_wake() end
if moves[scheduled] then wake_for(scheduled, first_due) end
if moves[retrying] then wake_for(retrying, first_due) end
for name, by in pairs(counts) do count(name, by) end
count('errored', errored)
count('lease_lost', lost)
publish(records)
if moves[completed] then trim(completed, keep_completed, #ids + 8) end
if moves[failed] then trim(failed, keep_failed, #ids + 8) end
return verdicts
