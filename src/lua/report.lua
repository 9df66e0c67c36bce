-- report: take in what handlers say of their attempts, progress and log lines, each fenced by its token.
-- KEYS     specs meta waiting active counters events config parked progress logs
-- ARGV     per report: id, token (6 bytes), percent (1 byte) and message or '', number of lines, the
--          lines; an id once
-- RETURNS  {'taken' | 'LEASE_LOST', …}
-- ERRORS   LEASE_LOST (per report: its token is not the current one, nothing changed)
-- EVENTS   reported
-- COST     O(reports + lines); reports ≤ 125, 50 of them with lines, lines ≤ 1,000 and 256 KiB
local args, now, no_log = ARGV, pack('<I6', now_ms()), pack('<I6I6', 0, 0)

-- Of a part of a log: so much is read and written again with every line.
local PART_BYTES, PART_LINES = 4110, 66
local written = {}

-- Puts `count` lines behind a log. A part that is full goes to the slot of the oldest one.
local function append(id, head, first_arg, count)
  local number, full = struct.unpack('<I6I6', head)
  local parts, bytes, lines, slots = { sub(head, 13) }, #head - 12, 0, {}
  if bytes >= 6 then lines = number - struct.unpack('<I6', parts[1]) end
  for arg = first_arg, first_arg + count - 1 do
    local text = args[arg]
    if bytes > 0 and (lines >= PART_LINES or bytes + 14 + #text > PART_BYTES) then
      slots[full % LOG_SLOTS + 1] = table.concat(parts)
      full, parts, bytes, lines = full + 1, {}, 0, 0
    end
    parts[#parts + 1] = pack('<I6', number) .. now .. pack('<H', #text) .. text
    number, bytes, lines = number + 1, bytes + 14 + #text, lines + 1
  end
  written[#written + 1], written[#written + 2] = id, pack('<I6I6', number, full) .. table.concat(parts)
  for slot, part in pairs(slots) do
    written[#written + 1], written[#written + 2] = id .. string.char(slot), part
  end
end

local ids, starts, at = {}, {}, 1
while at < #args do
  ids[#ids + 1], starts[#starts + 1] = args[at], at
  at = at + 4 + tonumber(args[at + 3])
end
local verdicts, lost, taken, told, spoken, spoken_at = {}, 0, {}, {}, {}, {}
for i, record in ipairs(call('HMGET', meta, unpack(ids))) do
  local id, start = ids[i], starts[i]
  if is_meta(record) and sub(record, TOKEN, ENDED - 1) == args[start + 1] then
    verdicts[i], taken[#taken + 1] = 'taken', id
    local said = args[start + 2]
    if said ~= '' then
      told[#told + 1], told[#told + 2] = id, sub(said, 1, 1) .. now .. sub(said, 2)
    end
    if args[start + 3] ~= '0' then spoken[#spoken + 1], spoken_at[#spoken_at + 1] = id, start end
  else
    verdicts[i], lost = 'LEASE_LOST', lost + 1
  end
end
for i, head in ipairs(#spoken > 0 and call('HMGET', logs, unpack(spoken)) or {}) do
  if not head or #head < 12 then head = no_log end
  append(spoken[i], head, spoken_at[i] + 4, tonumber(args[spoken_at[i] + 3]))
end

if #taken > 0 then
  if #told > 0 then call('HSET', progress, unpack(told)) end
  if #written > 0 then call('HSET', logs, unpack(written)) end
  publish('p', table.concat(taken))
else
  begin_writes()
end
count('lease_lost', lost)
return verdicts
