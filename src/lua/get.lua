-- get: all that is stored of one job.
-- KEYS     specs meta results waiting active scheduled retrying blocked completed failed cancelled config parked
--          tags progress history
-- ARGV     1 id
-- RETURNS  {state, score, etag, spec, meta, result, tags, progress, history, {max_attempts, timeout, backoff}
--          of the queue}, from spec on '' where there is none; empty when no set holds it
-- ERRORS   -
-- EVENTS   -
-- COST     O(1): at most fifteen look-ups
local id = ARGV[1]
local state, _, score = place_of(id)
if not state then return {} end
local row, packed = {}, call('HGET', meta, id)
for i, column in ipairs({ specs, meta, results, tags, progress, history }) do
  row[i] = call('HGET', column, id) or ''
end
row[7] = call('HMGET', config, 'max_attempts', 'timeout', 'backoff')
for i = 1, 3 do row[7][i] = row[7][i] or '' end
return { state, integer(score), etag_of(state, packed), unpack(row) }
