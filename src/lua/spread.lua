-- spread: tell a partition how its queue is spread, unless it knows of a later change. A further one gets the
--         settings and switches of the first, too.
-- KEYS     config
-- ARGV     1 spread that it must have, or '*' for any  2 new spread, '' for none  3 'copy' or '', then per field
--          of the first one's config: name, value
-- RETURNS  1, or 0 when it has another spread
-- ERRORS   -
-- EVENTS   -
-- COST     O(fields), a few dozen
local own = call('HGET', config, 'spread') or ''
if ARGV[1] ~= '*' and ARGV[1] ~= own then return 0 end
if ARGV[3] == 'copy' then
  -- What is each partition's own.
  local own_fields, given = ' spread next_expiry unpark second ', {}
  local function is_own(name) return own_fields:find(' ' .. name .. ' ', 1, true) end
  for i = 4, #ARGV, 2 do given[ARGV[i]] = ARGV[i + 1] end
  local fields = call('HKEYS', config)
  for _, name in ipairs(fields) do
    if not is_own(name) and not given[name] then call('HDEL', config, name) end
  end
  for name, value in pairs(given) do
    if not is_own(name) then call('HSET', config, name, value) end
  end
  call('HSET', config, 'unpark', '-inf')
end
if (tonumber(ARGV[2]:match('^%d+')) or 0) > (tonumber(own:match('^%d+')) or 0) then
  call('HSET', config, 'spread', ARGV[2])
end
return 1
