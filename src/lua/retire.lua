-- retire: drop a partition that has no jobs, and takes none by this spread. The spread stays, for those who do
--         not know it yet.
-- KEYS     specs waiting active scheduled retrying blocked completed failed cancelled config parked
-- ARGV     1 spread that it must have
-- RETURNS  1, or 0 when it has jobs or another spread
-- ERRORS   -
-- EVENTS   -
-- COST     O(1)
if (call('HGET', config, 'spread') or '') ~= ARGV[1] then return 0 end
for _, place in ipairs(PLACES) do
  if call('ZCARD', place[2]) > 0 then return 0 end
end
call('UNLINK', unpack(KEYS))
forget_kept()
if ARGV[1] ~= '' then call('HSET', config, 'spread', ARGV[1]) end
return 1
