-- Put behind prelude_check.lua in check.lua: the judgement on one job, one key, one tag, and on the queue.

-- How long a job may wait without a token for idle workers, in ms: longer than any of them sleeps.
local WAKE_GRACE = 5000

-- What is wrong with the score of a job, given its record: the score that it must have, or nothing.
local function right_score(state, score, record, now)
  if state == 'waiting' then
    local band = read_score(score)
    if band and (band == record.priority or not record.is_stored) then return nil end
    if read_score(record.score) == record.priority then return record.score end
    return 'new'
  elseif state == 'active' then
    if score <= now + LONGEST_LEASE then return nil end
    return now + NEW_LEASE
  end
  local said = FINAL[state] and record.finished or record.ready
  if said > 0 and said ~= score then return said end
end

-- What the counters must be at least for a job's tokens and place to be new.
local function counter_behind(state, score, record)
  local function is_behind(name, least)
    return tonumber(call('HGET', counters, name) or 0) < least and { name, least }
  end
  local _, seq = read_score(score)
  return is_behind('claims', math.max(record.token, record.ended)) or state == 'waiting' and is_behind('seq', seq)
end

-- The first thing that is wrong with a job, and a function that mends it and says how; nothing when all is well.
local function damage_of(id, now)
  local places = {}
  for _, place in ipairs(PLACES) do
    local score = call('ZSCORE', place[2], id)
    if score then places[#places + 1] = { place[1], place[2], tonumber(score) } end
  end
  local spec, packed = call('HGET', specs, id), call('HGET', meta, id)
  local function aside() return put_aside(id, places, now) end
  if #places == 0 then
    if not spec then return 'left_over', function() forget({ id }) return 'deleted what was left of it' end end
    return 'no_state', function()
      local is_whole, run_at = is_spec(spec)
      return is_whole and restore(id, packed, run_at, now) or put_aside(id, {}, now)
    end
  end
  local state, set, score = unpack(places[1])
  local record = record_of(id, state, score)
  if #places > 1 then
    return 'two_states', function()
      local right = right_place(places, record)
      for _, place in ipairs(places) do
        if place ~= right then call('ZREM', place[2], id) end
      end
      return 'left in ' .. right[1] .. ' only'
    end
  end
  if state == 'failed' and sub(call('HGET', results, id) or '', 1, #SET_ASIDE) == SET_ASIDE then return nil end
  if not spec then return 'no_spec', aside end
  local is_whole, run_at = is_spec(spec)
  if not is_whole then return 'corrupt_spec', aside end
  if not record or record.priority > 9 then return 'corrupt_record', aside end
  -- The spec of a job that has been promoted says so still: of one that comes back the record is lost.
  if not packed and state == 'scheduled' and run_at > 0 and (score == run_at or run_at > now) then
    record.ready = run_at
  elseif not packed and state ~= 'waiting' then
    return 'no_record', function() return make_record(id, state, set, score) end
  end
  record.is_stored = packed
  if state == 'active' and record.token == 0 then
    return 'no_lease', function()
      call('ZREM', active, id)
      return wait_again(id, record)
    end
  elseif state ~= 'active' and record.token > 0 then
    return 'stray_token', function()
      record.token = 0
      if state == 'waiting' then record.attempt = math.max(record.attempt - 1, 0) end
      write_record(id, record)
      return 'took the token of a lease away that is over'
    end
  end
  local right = right_score(state, score, record, now)
  if right then
    return 'wrong_score', function()
      if right == 'new' then
        right = score_of(record.priority, call('HINCRBY', counters, 'seq', 1))
        record.score = right
        if packed then write_record(id, record) end
      end
      call('ZADD', set, integer(right), id)
      if state == 'scheduled' or state == 'retrying' then wake_for(set, right) end
      return 'given its place in ' .. state
    end
  end
  local behind = counter_behind(state, score, record)
  if behind then
    return 'counter_behind', function()
      call('HSET', counters, behind[1], integer(behind[2]))
      return 'raised the counter ' .. behind[1]
    end
  end
  local pauses = call('HMGET', config, 'kinds', 'kinds_resume', 'unpark')
  local are_settled = not pauses[3] and (tonumber(pauses[2]) or math.huge) >= now
  if set == parked and are_settled and not is_paused(pauses[1] or '', kind_of(spec), now) then
    return 'parked_for_nothing', function()
      call('ZREM', parked, id)
      enter(id, 'waiting', waiting, score)
      return 'put back to waiting'
    end
  end
  if record.key ~= '' then
    local holder = call('HGET', idem, record.key)
    if holder ~= id then
      return 'key_lost', function()
        if not holder then
          call('HSET', idem, record.key, id)
          return 'given its idempotency key again'
        end
        record.key = ''
        write_record(id, record)
        return 'without an idempotency key: another job has it'
      end
    end
  end
  for tag in (call('HGET', tags, id) or ''):gmatch('[^\n]+') do
    if not call('ZSCORE', tag_key(tag), id) then
      return 'tag_lost', function()
        call('ZADD', tag_key(tag), integer(created_ms(spec)), id)
        return 'found by its tag again'
      end
    end
  end
end

-- Likewise for the entry of an idempotency key.
local function damage_of_key(key)
  local id = call('HGET', idem, key)
  local state, _, score = place_of(id or '')
  local function drop()
    call('HDEL', idem, key)
    return 'freed the key'
  end
  if not state then
    -- One with a spec is put back where it belongs.
    if not id or call('HEXISTS', specs, id) == 1 then return nil end
    return 'key_of_nobody', drop
  end
  local record = record_of(id, state, score)
  -- A job without the record that it must have is mended first.
  local is_lacking = state ~= 'waiting' and call('HEXISTS', meta, id) == 0
    and (state ~= 'scheduled' or (select(2, is_spec(call('HGET', specs, id) or '')) or 0) == 0)
  if not record or record.key == key or is_lacking then return nil end
  if record.key ~= '' then return 'key_of_nobody', drop end
  return 'key_unknown', function()
    record.key = key
    write_record(id, record)
    return 'told the job of its key'
  end
end

-- Likewise for a member of a tag's index.
local function damage_of_tagged(tag, id)
  local joined = call('HGET', tags, id) or ''
  if ('\n' .. joined .. '\n'):find('\n' .. tag .. '\n', 1, true) then return nil end
  if not call('ZSCORE', tag_key(tag), id) then return nil end
  return 'tag_of_nobody', function()
    call('ZREM', tag_key(tag), id)
    return 'taken out of the index of tag ' .. tag
  end
end

-- Since when a job waits, as far as is known.
local function waits_since(id)
  local ready = select(8, unpack_meta(call('HGET', meta, id)))
  return ready and ready > 0 and ready or created_ms(call('HGET', specs, id)) or math.huge
end

-- Likewise for what the queue says of all its jobs.
local function damage_of_queue(now)
  local limit, said = call('ZRANGE', expiring, 0, 0, 'WITHSCORES')[2], call('HGET', config, 'next_expiry')
  if limit and (tonumber(said) or math.huge) > tonumber(limit) then
    return 'next_expiry_lost', function()
      call('HSET', config, 'next_expiry', limit)
      return 'told the claims when the next job is too late'
    end
  end
  -- A worker that took the token claims at once; where none has for long, it is lost.
  local first = call('ZRANGE', waiting, 0, 0)[1]
  if first and call('LLEN', wake) == 0 and not holds(call('HGET', config, 'paused'), now)
      and waits_since(first) < now - WAKE_GRACE then
    return 'no_wake', function()
      ensure_wake()
      return 'woke a worker'
    end
  end
end
