-- Put behind prelude.lua in the scripts that count what happens.
-- Three streams keep what the totals were: a row for each second, minute and hour in which anything was
-- counted, with the totals and the number of waiting jobs as they were when it began. A row of the minutes
-- or hours has besides what workers measured since the row before, see src/queue/query.rs.
local function kept_key(name)
  return sub(specs, 1, -6) .. name
end

local function forget_kept()
  call('DEL', kept_key('seconds'), kept_key('minutes'), kept_key('hours'), kept_key('measures'))
end

-- The ten totals, and how many jobs wait.
local function totals_now()
  local totals = call('HMGET', counters, 'submitted', 'completed', 'failed', 'cancelled', 'errored',
    'lease_expired', 'lease_lost', 'unhandled', 'released', 'snoozed')
  for i = 1, 10 do totals[i] = totals[i] or '0' end
  totals[11] = integer(call('ZCARD', waiting) + call('ZCARD', parked))
  return table.concat(totals, ' ')
end

-- Keeps rows of the totals, in a second that is later than the last one `seen`. Made of parts of its own, since
-- it is called once a second, while what is beside it is made in every call.
local function keep_rows(second, seen)
  -- How many rows there are at the least, and how many bytes measures of single kinds may take in one.
  local SECONDS, MINUTES, HOURS = 900, 1500, 744
  local MINUTE_BYTES, HOUR_BYTES = 512, 2048

  -- Moves the open measures of a letter to the fields of a row: those of all kinds together, whose name is
  -- empty, and of the kinds with the most attempts as many as `room` bytes hold.
  local function close_measures(fields, letter, room)
    local open, kinds, closed = call('HGETALL', kept_key('measures')), {}, {}
    for i = 1, #open, 2 do
      if sub(open[i], 1, 1) == letter then
        local attempts = 0
        if #open[i + 1] >= 12 then
          local good, _, errored = struct.unpack('<I4I4I4', open[i + 1])
          attempts = good + errored
        end
        local rank = #open[i] == 1 and math.huge or attempts
        kinds[#kinds + 1], closed[#closed + 1] = { rank, sub(open[i], 2), open[i + 1] }, open[i]
      end
    end
    if #closed == 0 then return end
    table.sort(kinds, function(a, b) return a[1] > b[1] or a[1] == b[1] and a[2] < b[2] end)
    for _, kind in ipairs(kinds) do
      if kind[1] < math.huge then room = room - #kind[2] - #kind[3] end
      if room >= 0 then fields[#fields + 1], fields[#fields + 2] = 'k' .. kind[2], kind[3] end
    end
    call('HDEL', kept_key('measures'), unpack(closed))
  end

  local totals = totals_now()
  for _, unit in ipairs({ { 'seconds', 1, SECONDS }, { 'minutes', 60, MINUTES, 'm', MINUTE_BYTES },
    { 'hours', 3600, HOURS, 'h', HOUR_BYTES } }) do
    local began = second - second % unit[2]
    if began > seen then
      local fields = { 't', totals }
      if unit[4] then close_measures(fields, unit[4], unit[5]) end
      -- Not `call`: a row that somebody else has put in its place must not end the script half-way.
      redis.pcall('XADD', kept_key(unit[1]), 'MAXLEN', '~', unit[3], integer(began * 1000) .. '-0', unpack(fields))
    end
  end
  call('HSET', config, 'second', integer(second))
end

-- Keeps rows of the totals when another second has begun than the last one `seen`. Called before anything is
-- counted. A clock that goes back a little, as after a fail-over, is waited for.
local is_second_known = false
local function begin_second(now, seen)
  if is_second_known then return end
  is_second_known = true
  local second = math.floor(now / 1000)
  seen = tonumber(seen) or 0
  -- A clock that goes back by more than an hour was wrong before.
  if second <= seen and seen - second <= 3600 then return end
  if second < seen then
    forget_kept()
    seen = 0
  end
  keep_rows(second, seen)
end

local function count(name, by)
  if by <= 0 then return end
  if not is_second_known then begin_second(now_ms(), call('HGET', config, 'second')) end
  call('HINCRBY', counters, name, by)
end

