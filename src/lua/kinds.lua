-- kinds: the kinds of some jobs.
-- KEYS     specs
-- ARGV     1 bytes of specs after which it stops, at least one job  2… ids
-- RETURNS  a kind per id up to where it stopped, '' where there is no job
-- ERRORS   -
-- EVENTS   -
-- COST     O(ids), ids ≤ 200
local budget, kinds, bytes = tonumber(ARGV[1]), {}, 0
for i = 2, #ARGV do
  local spec = call('HGET', specs, ARGV[i]) or ''
  kinds[#kinds + 1] = sub(spec, 3, 2 + (spec:byte(2) or 0))
  bytes = bytes + #spec
  if bytes > budget then break end
end
return kinds
