-- Put behind prelude_keep.lua in finish.lua: the ways in which an attempt ends.

-- By outcome: the set of the new state, its letter, the total that counts it, its letter in
-- the history where that tells of it.
local WAYS = {
  ack = { completed, 'c', 'completed' },
  fail = { failed, 'f', 'failed', 'e' },
  cancel = { cancelled, 'x', 'cancelled', 'x' },
  error = { retrying, 'r', nil, 'e' },
  snooze = { scheduled, 's', 'snoozed', 's' },
  unhandled = { scheduled, 's', 'unhandled' },
  release = { waiting, 'w', 'released', 'r' },
}

-- Ends an attempt in its record. Returns the record, the job's place in the set of its new state, when
-- it is ready again, and what history tells.
local function close_attempt(id, record, outcome, delay, failure, now)
  local priority, crashes, attempt, token, _, _, claimed, ready, score, flags, revision, worker, key =
    unpack_meta(record)
  local entry = attempt_entry(WAYS[outcome][4] or '', attempt, claimed, now, worker, failure)
  local is_final, place = outcome == 'ack' or outcome == 'fail' or outcome == 'cancel', now
  if is_final then
    if flags >= FREES_KEY then
      free_key(key, id)
      key = ''
    end
  else
    if outcome ~= 'error' then attempt = attempt - 1 end
    if outcome == 'release' then place = score else ready = now + delay; place = ready end
  end
  record = pack_meta(priority, crashes, attempt, 0, token, is_final and now or 0, claimed, ready, score, flags,
    revision, worker, key)
  return record, integer(place), ready, entry
end
