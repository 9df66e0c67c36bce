-- Put behind prelude_pause.lua where pauses end.

-- Moves parked jobs whose kind is not paused any more back to their places, `limit` a call. Returns
-- whether there may be more.
local function unpark(kinds, from, now, limit)
  local rows = call('ZRANGEBYSCORE', parked, from, '+inf', 'WITHSCORES', 'LIMIT', 0, limit)
  local ids, freed, places = {}, {}, {}
  for i = 1, #rows, 2 do ids[#ids + 1] = rows[i] end
  if #ids > 0 then
    for i, spec in ipairs(call('HMGET', specs, unpack(ids))) do
      if not is_paused(kinds, kind_of(spec), now) then
        freed[#freed + 1], places[#places + 1], places[#places + 2] = ids[i], rows[2 * i], ids[i]
      end
    end
  end
  if #freed > 0 then
    call('ZREM', parked, unpack(freed))
    call('ZADD', waiting, unpack(places))
    ensure_wake()
  end
  if #ids < limit then
    call('HDEL', config, 'unpark')
    return false
  end
  call('HSET', config, 'unpark', '(' .. rows[#rows])
  return true
end

-- Ends the pauses of kinds whose time has come, and says when the next one's comes. Returns the kinds left.
local function resume_kinds(kinds, now)
  local left, first = {}, math.huge
  for kind, resume in kinds:gmatch('([^\n=]+)=(%d+)') do
    if holds(resume, now) then
      left[#left + 1] = kind .. '=' .. resume .. '\n'
      if tonumber(resume) > 0 then first = math.min(first, tonumber(resume)) end
    else
      call('HDEL', config, 'kind:' .. kind)
    end
  end
  kinds = #left > 0 and '\n' .. table.concat(left) or ''
  if kinds == '' then call('HDEL', config, 'kinds') else call('HSET', config, 'kinds', kinds) end
  if first == math.huge then
    call('HDEL', config, 'kinds_resume')
  else
    call('HSET', config, 'kinds_resume', integer(first))
  end
  call('HSET', config, 'unpark', '-inf')
  return kinds
end
