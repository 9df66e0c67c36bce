-- Put behind prelude_keep.lua, prelude_history.lua and prelude_resume.lua in what keeps a queue in order: jobs that
-- are due, lost or too late.

-- Moves up to `limit` due jobs of a set to the tail of their bands.
-- Returns how many, and the score of the next one left.
local function promote_from(set, now, limit)
  local head = call('ZRANGE', set, 0, 0, 'WITHSCORES')
  if not head[1] or tonumber(head[2]) > now then return 0, tonumber(head[2]) end
  local due, ids = call('ZRANGEBYSCORE', set, '-inf', now, 'WITHSCORES', 'LIMIT', 0, limit), {}
  for i = 1, #due, 2 do ids[#ids + 1] = due[i] end
  call('ZREM', set, unpack(ids))
  local last = call('HINCRBY', counters, 'seq', #ids)
  local metas, scores, packed = call('HMGET', meta, unpack(ids)), {}, {}
  for i, id in ipairs(ids) do
    local priority, crashes, attempt, _, ended, finished, claimed, _, _, flags, revision, worker, key =
      unpack_meta(metas[i])
    local score = score_of(priority or USUAL_BAND, last - #ids + i)
    scores[2 * i - 1], scores[2 * i] = integer(score), id
    packed[2 * i - 1] = id
    packed[2 * i] = pack_meta(priority or USUAL_BAND, crashes or 0, attempt or 0, 0, ended or 0, finished or 0,
      claimed or 0, tonumber(due[2 * i]), score, flags or 0, revision or 0, worker or '', key or '')
  end
  call('ZADD', waiting, unpack(scores))
  call('HSET', meta, unpack(packed))
  publish('w', table.concat(ids))
  head = call('ZRANGE', set, 0, 0, 'WITHSCORES')
  return #ids, tonumber(head[2])
end

local function promote_due(now, limit)
  local a, next_a = promote_from(scheduled, now, limit)
  local b, next_b = promote_from(retrying, now, limit)
  return a + b, math.min(next_a or math.huge, next_b or math.huge)
end

-- Fails jobs that no set holds any more, all for one reason in the form of the results column.
local function fail(ids, reason, now)
  local failures, errors = {}, {}
  for i, id in ipairs(ids) do
    failures[2 * i - 1], failures[2 * i] = now, id
    errors[2 * i - 1], errors[2 * i] = id, reason
  end
  call('ZADD', failed, unpack(failures))
  call('HSET', results, unpack(errors))
  count('failed', #ids)
  publish('f', table.concat(ids))
end

-- Jobs that end here may have been the last ones of a draining queue.
local function tell_if_drained()
  if call('HGET', config, 'draining') then tell_when_empty() end
end

-- Puts jobs whose record can not be read aside, where people see them.
local function set_aside(ids, now)
  fail(ids, 'E\14CORRUPT_RECORDthe record of the job can not be read', now)
end

-- Fails up to `limit` jobs that have not started before their time; says when the next one is over.
local function expire(now, limit)
  local due = call('ZRANGEBYSCORE', expiring, '-inf', now, 'LIMIT', 0, limit)
  if #due > 0 then
    call('ZREM', expiring, unpack(due))
    local late, packed = {}, {}
    for i, record in ipairs(call('HMGET', meta, unpack(due))) do
      local id = due[i]
      local priority, crashes, attempt, _, ended, _, claimed, ready, score, flags, revision, worker, key =
        unpack_meta(record)
      if claimed == 0 and call('ZREM', waiting, id) + call('ZREM', parked, id) + call('ZREM', scheduled, id)
          + call('ZREM', blocked, id) > 0 then
        if flags >= FREES_KEY then
          free_key(key, id)
          key = ''
        end
        late[#late + 1], packed[#packed + 1] = id, id
        packed[#packed + 1] = pack_meta(priority, crashes, attempt, 0, ended, now, claimed, ready, score, flags,
          revision, worker, key)
      end
    end
    if #late > 0 then
      call('HSET', meta, unpack(packed))
      fail(late, 'E\7EXPIREDthe job had not started before the time it was given', now)
      tell_if_drained()
    end
  end
  local head = call('ZRANGE', expiring, 0, 0, 'WITHSCORES')
  if head[2] then call('HSET', config, 'next_expiry', head[2]) else call('HDEL', config, 'next_expiry') end
  return #due
end

-- Takes up to `limit` jobs back whose lease ran out: to the head of their band, to failed when `cap`
-- workers were lost over them, or to cancelled when somebody had asked for their end.
-- Returns how many went back and how many did not, and the deadline of the next lease.
local function reap_expired(now, limit, cap)
  local head = call('ZRANGE', active, 0, 0, 'WITHSCORES')
  if not head[1] or tonumber(head[2]) > now then return 0, 0, tonumber(head[2]) end
  local ids = call('ZRANGEBYSCORE', active, '-inf', now, 'LIMIT', 0, limit)
  call('ZREM', active, unpack(ids))
  local back, back_ids, over, off, off_places, packed = {}, {}, {}, {}, {}, {}
  local corrupt, told, entries = {}, {}, {}
  for i, record in ipairs(call('HMGET', meta, unpack(ids))) do
    local id, finished = ids[i], 0
    local priority, crashes, attempt, _, ended, _, claimed, ready, score, flags, revision, worker, key =
      unpack_meta(record)
    if not priority then
      corrupt[#corrupt + 1] = id
    else
      if flags % 2 == CANCEL then
        off[#off + 1], off_places[#off_places + 1], off_places[#off_places + 2], finished = id, now, id, now
      elseif crashes + 1 >= cap then
        over[#over + 1], finished = id, now
      else
        back[#back + 1], back[#back + 2], back_ids[#back_ids + 1] = integer(score), id, id
      end
      told[#told + 1], entries[#entries + 1] = id, history_of().attempt('l', attempt, claimed, now, worker, '')
      if finished > 0 and flags >= FREES_KEY then
        free_key(key, id)
        key = ''
      end
      packed[#packed + 1] = id
      packed[#packed + 1] = pack_meta(priority, crashes + 1, attempt - 1, 0, ended, finished, claimed, ready, score,
        flags, revision, worker, key)
    end
  end
  if #packed > 0 then call('HSET', meta, unpack(packed)) end
  if #over > 0 then
    fail(over, 'E\11WORKER_LOST' .. integer(cap) .. ' workers were lost while they ran this job', now)
  end
  if #off > 0 then
    call('ZADD', cancelled, unpack(off_places))
    count('cancelled', #off)
    publish('x', table.concat(off))
  end
  if #back > 0 then
    call('ZADD', waiting, unpack(back))
    ensure_wake()
    publish('w', table.concat(back_ids))
  end
  if #told > 0 then history_of().append(told, entries) end
  if #corrupt > 0 then set_aside(corrupt, now) end
  count('lease_expired', #ids)
  if #over + #off + #corrupt > 0 then tell_if_drained() end
  head = call('ZRANGE', active, 0, 0, 'WITHSCORES')
  return #back_ids, #over + #off + #corrupt, tonumber(head[2])
end

-- Ends all whose time has come of what `claim_settings` returned. Returns the kinds that are paused then, when
-- the next thing ends, and whether some jobs may still wait whose time is over.
local function settle(now, said)
  local kinds, unpark_from, late = said[2] or '', said[4], false
  local resume, expiry = tonumber(said[3]) or math.huge, tonumber(said[5]) or math.huge
  if unpark_from or resume < now or expiry < now then
    begin_writes()
    if resume < now then kinds, unpark_from = resume_kinds(kinds, now), '-inf' end
    if unpark_from and unpark(kinds, unpark_from, now, 100) then resume = now end
    if expiry < now then late = expire(now, 100) == 100 end
  end
  return kinds, math.min(resume, expiry), late
end
