-- query: a step through the rows of one resolution, and behind the last one what there is now.
-- KEYS     specs waiting counters parked
-- ARGV     1 seconds, minutes or hours  2 time to begin at, in ms  3 limit  4 letter of the open measures or ''
--          5 1 to tell where the rows begin
-- RETURNS  {time of the first row or '', {{time, {field, value, …}}, …}, and behind the last row
--          {totals and waiting jobs now, kind, measures, …}}; a time is followed by -0
-- ERRORS   -
-- EVENTS   -
-- COST     O(limit), limit ≤ 250
local rows_key, from, limit, letter = kept_key(ARGV[1]), ARGV[2], tonumber(ARGV[3]), ARGV[4]
local first = ARGV[5] == '1' and call('XRANGE', rows_key, '-', '+', 'COUNT', 1)[1]
local rows, now = call('XRANGE', rows_key, from, '+', 'COUNT', limit), {}
if #rows < limit then
  now[1] = totals_now()
  local open = letter ~= '' and call('HGETALL', kept_key('measures')) or {}
  for i = 1, #open, 2 do
    if sub(open[i], 1, 1) == letter then now[#now + 1], now[#now + 2] = sub(open[i], 2), open[i + 1] end
  end
end
return { first and first[1] or '', rows, now }
