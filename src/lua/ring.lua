-- ring: tell a waiting worker which partitions of a queue may have work.
-- KEYS     1 bell
-- ARGV     1.. numbers of partitions
-- RETURNS  nothing
-- ERRORS   -
-- EVENTS   -
-- COST     O(partitions²), partitions ≤ 64
local bell = KEYS[1]
local told = {}
for _, number in ipairs(redis.call('LRANGE', bell, 0, -1)) do told[number] = true end
for _, number in ipairs(ARGV) do
  if not told[number] then redis.call('RPUSH', bell, number) end
end
