-- stats: the numbers of one queue.
-- KEYS     specs meta waiting active scheduled retrying blocked completed failed cancelled counters config
--          parked
-- ARGV     -
-- RETURNS  {now_ms, {scheduled, blocked, waiting, active, retrying, completed, failed, cancelled},
--          {counter, value, …}, ms for which the oldest waiting job has been waiting or -1,
--          {name in the config, value, …}, {measures of the last minute and of this one}}
-- ERRORS   -
-- EVENTS   -
-- COST     O(bands · log n), ten bands
local now, sizes = now_ms(), {}
local sets = { scheduled, blocked, waiting, active, retrying, completed, failed, cancelled }
for i, set in ipairs(sets) do sizes[i] = call('ZCARD', set) end
-- Jobs of paused kinds wait, too.
sizes[3] = sizes[3] + call('ZCARD', parked)

-- The head of a band is not always its oldest job, but no job of the band has waited much longer.
local heads = {}
if sizes[3] > 0 then
  for band = 0, 9 do
    local first, beyond = integer(score_of(band, 0)), '(' .. integer(score_of(band + 1, 0))
    heads[#heads + 1] = call('ZRANGEBYSCORE', waiting, first, beyond, 'LIMIT', 0, 1)[1]
  end
end
local oldest = -1
if #heads > 0 then
  local metas = call('HMGET', meta, unpack(heads))
  for i, spec in ipairs(call('HMGET', specs, unpack(heads))) do
    local ready = select(8, unpack_meta(metas[i])) or 0
    if ready == 0 then ready = created_ms(spec) or 0 end
    if ready > 0 then oldest = math.max(oldest, now - ready) end
  end
end

-- What was measured since the last minute began that is over: the row of this minute has that of the last.
local measured, rows = {}, call('XREVRANGE', kept_key('minutes'), '+', '-', 'COUNT', 2)
local function is_new(row) return row and now - tonumber(row[1]:match('^%d+')) < 120000 end
if is_new(rows[1]) then measured[1] = call('HGET', kept_key('measures'), 'm') or nil end
if is_new(rows[2]) and rows[1][2][3] == 'k' then measured[#measured + 1] = rows[1][2][4] end
return { now, sizes, call('HGETALL', counters), oldest, call('HGETALL', config), measured }
