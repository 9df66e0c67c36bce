-- get: all that is stored of one job.
-- KEYS     specs meta results waiting active scheduled retrying blocked completed failed cancelled
-- ARGV     1 id
-- RETURNS  {state, score, spec or nil, meta or nil, result or nil}; empty when no set holds it
-- ERRORS   -
-- EVENTS   -
-- COST     O(1): at most eleven look-ups
local id = ARGV[1]
local places = {
  { 'waiting', waiting }, { 'active', active }, { 'completed', completed }, { 'scheduled', scheduled },
  { 'retrying', retrying }, { 'failed', failed }, { 'cancelled', cancelled }, { 'blocked', blocked },
}
for _, place in ipairs(places) do
  local score = call('ZSCORE', place[2], id)
  if score then
    return { place[1], score, call('HGET', specs, id), call('HGET', meta, id), call('HGET', results, id) }
  end
end
return {}
