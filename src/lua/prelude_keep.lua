-- Put behind prelude.lua where jobs end or are forgotten.

-- Frees a key, unless another job holds it by now.
local function free_key(key, id)
  if key ~= '' and call('HGET', idem, key) == id then call('HDEL', idem, key) end
end

local function drop_tags(ids)
  for i, joined in ipairs(call('HMGET', tags, unpack(ids))) do
    for tag in (joined or ''):gmatch('[^\n]+') do call('ZREM', tag_key(tag), ids[i]) end
  end
  call('HDEL', tags, unpack(ids))
end

-- Deletes the columns of jobs that no set holds any more.
local function forget(ids)
  if call('EXISTS', idem, tags, progress, logs, history, expiring) > 0 then
    if call('EXISTS', idem) > 0 then
      for i, packed in ipairs(call('HMGET', meta, unpack(ids))) do
        free_key(select(13, unpack_meta(packed)) or '', ids[i])
      end
    end
    drop_tags(ids)
    call('HDEL', progress, unpack(ids))
    if call('EXISTS', logs) > 0 then
      for _, id in ipairs(ids) do
        local fields = { id }
        for slot = 1, LOG_SLOTS do fields[slot + 1] = id .. string.char(slot) end
        call('HDEL', logs, unpack(fields))
      end
    end
    call('HDEL', history, unpack(ids))
    call('ZREM', expiring, unpack(ids))
  end
  call('HDEL', specs, unpack(ids))
  call('HDEL', meta, unpack(ids))
  call('HDEL', results, unpack(ids))
end

-- Keeps the newest `keep` of a set of finished jobs; drops at most `limit` of the others.
local function trim(set, keep, limit)
  local excess = math.min(call('ZCARD', set) - keep, limit)
  if excess <= 0 then return 0 end
  -- Not ZPOPMIN: it writes out every score, which nobody reads.
  local ids = call('ZRANGE', set, 0, excess - 1)
  call('ZREMRANGEBYRANK', set, 0, excess - 1)
  forget(ids)
  return #ids
end

-- Says that a draining queue has no jobs left to run.
local function tell_when_empty()
  for _, set in ipairs({ waiting, active, scheduled, retrying, blocked, parked }) do
    if call('ZCARD', set) > 0 then return end
  end
  publish('e', '')
end
