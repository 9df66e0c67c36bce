-- Put behind prelude_keep.lua and prelude_history.lua in finish.lua: the ways in which an attempt ends.

-- The set of the new state, its letter, the total that counts it, its letter in the history where that tells
-- of it.
local function way_of(outcome)
  if outcome == 'ack' then return completed, 'c', 'completed' end
  if outcome == 'fail' then return failed, 'f', 'failed', 'e' end
  if outcome == 'cancel' then return cancelled, 'x', 'cancelled', 'x' end
  if outcome == 'error' then return retrying, 'r', nil, 'e' end
  if outcome == 'snooze' then return scheduled, 's', 'snoozed', 's' end
  if outcome == 'unhandled' then return scheduled, 's', 'unhandled' end
  return waiting, 'w', 'released', 'r'
end

-- Ends an attempt in its record; `letter` is that in its history, if any. Returns the record, the job's place
-- in the set of its new state, when it is ready again, and what history tells.
local function close_attempt(id, record, outcome, letter, delay, failure, now)
  local priority, crashes, attempt, token, _, _, claimed, ready, score, flags, revision, worker, key =
    unpack_meta(record)
  local entry = letter and history_of().attempt(letter, attempt, claimed, now, worker, failure)
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
