-- update: change one job that has not started its next attempt.
-- KEYS     specs meta waiting active scheduled retrying blocked completed failed cancelled counters wake events
--          parked tags history
-- ARGV     1 id  2 etag  3 new spec or ''  4 priority or ''  5 due: '' as it is, '+ms' from now, 'ms' at that time
--          6 'tags' or ''  7 tags, joined by line breaks  8 'payload' when the spec's payload is another
-- RETURNS  {state} or {error word}
-- ERRORS   JOB_NOT_FOUND, ETAG_MISMATCH, CORRUPT_RECORD, INVALID_STATE_TRANSITION with the state
-- EVENTS   retrying, scheduled, waiting
-- COST     O(log n)
local id, new_spec, priority, due, now = ARGV[1], ARGV[3], tonumber(ARGV[4]), ARGV[5], now_ms()
local state, set, score, record = look_up(id, ARGV[2])
if not state then return { set } end
if not record then return { 'CORRUPT_RECORD' } end
if FINAL[state] or state == 'active' then return { 'INVALID_STATE_TRANSITION ' .. state } end
begin_writes()
if new_spec ~= '' then
  if ARGV[8] == 'payload' then replace_spec(id, new_spec, now) else call('HSET', specs, id, new_spec) end
end
if priority then
  -- A waiting job keeps its place by time within the other band.
  if state == 'waiting' then
    record.score = score + (priority - record.priority) * BAND
    call('ZADD', set, 'XX', integer(record.score), id)
  end
  record.priority = priority
end
if due ~= '' and state ~= 'blocked' then
  local at = due:byte(1) == 43 and now + tonumber(sub(due, 2)) or tonumber(due)
  if at <= now then
    if state ~= 'waiting' then make_wait(id, set, record, now) end
    state = 'waiting'
  else
    local later = state == 'retrying' and retrying or scheduled
    if set ~= later then call('ZREM', set, id) end
    call('ZADD', later, integer(at), id)
    record.ready, state = at, state == 'retrying' and state or 'scheduled'
    wake_for(later, at)
  end
end
if ARGV[6] == 'tags' then
  drop_tags({ id })
  if ARGV[7] ~= '' then
    call('HSET', tags, id, ARGV[7])
    local created = integer(created_ms(call('HGET', specs, id)) or now)
    for tag in ARGV[7]:gmatch('[^\n]+') do call('ZADD', tag_key(tag), created, id) end
  end
end
record.revision = (record.revision + 1) % 65536
write_record(id, record)
if state == 'waiting' then ensure_wake() end
publish(state == 'waiting' and 'w' or state == 'retrying' and 'r' or 's', id)
return { state }
