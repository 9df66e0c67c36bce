-- fold: take over the totals of a partition that goes, once.
-- KEYS     counters
-- ARGV     1 name of the mark that it was done, then per total: name, value
-- RETURNS  nothing
-- ERRORS   -
-- EVENTS   -
-- COST     O(totals), a dozen
if call('HSETNX', counters, ARGV[1], 1) == 0 then return end
for i = 2, #ARGV, 2 do call('HINCRBY', counters, ARGV[i], ARGV[i + 1]) end
