-- recent: the jobs of one queue that became final last, without payloads.
-- KEYS     specs meta results completed failed cancelled
-- ARGV     1 limit of each state
-- RETURNS  {state, id, kind, meta, start of the error or '', …} five fields a job
-- ERRORS   -
-- EVENTS   -
-- COST     O(limit + log n), limit ≤ 50 of three states
local last, rows = tonumber(ARGV[1]) - 1, {}
for _, place in ipairs({ { 'completed', completed }, { 'failed', failed }, { 'cancelled', cancelled } }) do
  local ids = call('ZREVRANGE', place[2], 0, last)
  if #ids > 0 then
    local found_metas = call('HMGET', meta, unpack(ids))
    local errors = place[1] == 'failed' and call('HMGET', results, unpack(ids)) or {}
    for i, spec in ipairs(call('HMGET', specs, unpack(ids))) do
      -- The kind is the first field of the spec: a tag byte, a length byte, the name.
      local kind = spec and #spec > 2 and spec:sub(3, 2 + spec:byte(2)) or ''
      local n = #rows
      rows[n + 1], rows[n + 2], rows[n + 3] = place[1], ids[i], kind
      rows[n + 4], rows[n + 5] = found_metas[i] or '', (errors[i] or ''):sub(1, 300)
    end
  end
end
return rows
