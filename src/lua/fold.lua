-- fold: take over the totals of a partition that goes, once.
-- KEYS     counters config
-- ARGV     1 spread that the queue must have  2 name of the mark that it was done, then per total: name, value
-- RETURNS  1, or 0 when it has another spread, or is deleted
-- ERRORS   -
-- EVENTS   -
-- COST     O(totals), a dozen
if (call('HGET', config, 'spread') or '') ~= ARGV[1] then return 0 end
if call('HSETNX', counters, ARGV[2], 1) == 0 then return 1 end
for i = 3, #ARGV, 2 do call('HINCRBY', counters, ARGV[i], ARGV[i + 1]) end
return 1
