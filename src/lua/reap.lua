-- reap: take jobs back whose lease ran out: to the head of their band, or to failed over the crash cap.
-- KEYS     meta results waiting active failed counters wake events
-- ARGV     1 limit  2 crash_cap  3 error of a job over the cap
-- RETURNS  {put back, failed}
-- ERRORS   CORRUPT_RECORD (as the job's error: it is set aside to failed)
-- EVENTS   waiting, failed
-- COST     O(limit · log n), limit ≤ 200
local limit, cap, lost_error = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3]
local now = now_ms()
local ids = call('ZRANGEBYSCORE', active, '-inf', now, 'LIMIT', 0, limit)
if #ids == 0 then return { 0, 0 } end

call('ZREM', active, unpack(ids))
local back, over, packed, errors, records, corrupt = {}, {}, {}, {}, {}, {}
for i, record in ipairs(call('HMGET', meta, unpack(ids))) do
  local id = ids[i]
  local priority, crashes, attempt, score, _, ended, ready, claimed, _, worker, key = unpack_meta(record)
  if not priority then
    corrupt[#corrupt + 1] = id
  else
    local is_over = crashes + 1 >= cap
    if is_over then
      over[#over + 1], over[#over + 2] = now, id
      errors[#errors + 1], errors[#errors + 2] = id, lost_error
    else
      back[#back + 1], back[#back + 2] = score, id
    end
    records[#records + 1] = (is_over and 'f' or 'w') .. id
    packed[#packed + 1] = id
    packed[#packed + 1] = pack_meta(priority, crashes + 1, attempt - 1, score, 0, ended, ready, claimed,
      is_over and now or 0, worker, key)
  end
end
if #back > 0 then
  call('ZADD', waiting, unpack(back))
  ensure_wake()
end
if #over > 0 then
  call('ZADD', failed, unpack(over))
  call('HSET', results, unpack(errors))
end
if #packed > 0 then call('HSET', meta, unpack(packed)) end
if #corrupt > 0 then set_aside(corrupt, now) end
count('lease_expired', #ids)
count('failed', #over / 2)
publish(records)
return { #back / 2, #over / 2 + #corrupt }
