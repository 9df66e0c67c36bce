-- configure: change the settings of a queue.
-- KEYS     config
-- ARGV     1 etag: the epoch of the settings that the caller saw, or '', then per setting: name, value or '' for
--          its default
-- RETURNS  the new epoch, or -1
-- ERRORS   -
-- EVENTS   -
-- COST     O(settings), a dozen
local epoch = call('HGET', config, 'epoch') or '0'
if ARGV[1] ~= '' and ARGV[1] ~= epoch then return -1 end
for i = 2, #ARGV, 2 do
  if ARGV[i + 1] == '' then call('HDEL', config, ARGV[i]) else call('HSET', config, ARGV[i], ARGV[i + 1]) end
end
return call('HINCRBY', config, 'epoch', 1)
