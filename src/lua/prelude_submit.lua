-- Put behind prelude.lua in the scripts that create jobs.
-- ARGV     1 'fresh' when no id can be there already, 'check', or 'fence': as check, and something is written
--          even when no job is new, for a caller who waits until all that was written so far is safe;
--          'bound' or 'bound fence': as these, and no job is created whose key or id nobody holds;
--          2 the durability of the queue as the caller knows it, '' for none, '*' when no job goes by it;
--          3 the epoch of the queue's spread as the caller knows it, '' for a queue that was never grown;
--          4 the ids, 16 bytes each;
--          then the spec of each job;
--          then, unless all jobs are ordinary, the extras of each, see prelude_store.lua

-- Finds a place for each job, or says why there is none. Where new jobs may replace others, `rival_of`
-- looks at the one that holds a key, and says how many places it `frees` when it makes way.
-- Returns {now_ms, {place, id of the job that exists or error word, …} of jobs that were not created,
-- {place, id that the job replaced, …}, 1 for the first jobs of a queue and 2 more when a worker may have
-- to be woken}. Place 0 with a durability, and with a spread: nothing was stored, because these are the queue's now.
local function submit_jobs(rival_of, make_way)
  local now, mode, durability, epoch, jobs = now_ms(), ARGV[1], ARGV[2], ARGV[3], #ARGV[4] / 16
  local set, room = call('HMGET', config, 'draining', 'max_waiting', 'durability', 'second', 'spread'),
    math.huge
  local spread = set[5] or ''
  -- A later spread than the caller's, or none, since the queue was deleted: the caller has to learn of it first.
  local is_stale = spread ~= epoch and (tonumber(spread:match('^%d+')) or math.huge) > (tonumber(epoch) or 0)
  if is_stale or durability ~= '*' and durability ~= (set[3] or '') then
    return { now, { 0, set[3] or '', 0, spread }, {}, 0 }
  end
  if set[2] then
    -- The partitions of a queue share what the queue may hold.
    room = math.ceil(tonumber(set[2]) / (spread:match('^%d+:(%d+)') or 1))
    room = room - call('ZCARD', waiting) - call('ZCARD', parked) - call('ZCARD', scheduled)
  end

  -- The spec is a protobuf message; the store's clock goes to its end as field 15, fixed64.
  local created = '\121' .. pack('<I8', now)
  local new, new_waiting, waiting_ids, told, replaced, woken
  if #ARGV == 4 + jobs and mode == 'fresh' and jobs <= room and not set[1] then
    new, new_waiting, waiting_ids, told, replaced, woken = store_all(jobs, created)
  else
    new, new_waiting, waiting_ids, told, replaced, woken =
      store_each(jobs, now, room, set[1], created, rival_of, make_way)
  end
  if new == 0 then
    if sub(mode, -5) == 'fence' then
      begin_writes()
      call('HINCRBY', counters, 'fences', 1)
    end
    return { now, told, replaced, 0 }
  end

  begin_second(now, set[4])
  local waits = #new_waiting / 2
  if waits > 0 then
    local seq = call('HINCRBY', counters, 'seq', waits) - waits
    -- Not `integer`: a function less to be called for each job.
    for i = 1, waits do new_waiting[2 * i - 1] = format('%d', new_waiting[2 * i - 1] + seq + i) end
    call('ZADD', waiting, unpack(new_waiting))
    woken = ensure_wake() or woken
    publish('w', waiting_ids)
  end
  local is_first = call('HINCRBY', counters, 'submitted', new) == new
  return { now, told, replaced, (is_first and 1 or 0) + (woken and 2 or 0) }
end
