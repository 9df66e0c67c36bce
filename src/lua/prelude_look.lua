-- Put behind prelude.lua in list.lua: how it walks, and how it finds and cuts what is stored of a job.
local PLACES = {
  { 'active', active }, { 'completed', completed }, { 'failed', failed }, { 'cancelled', cancelled },
  { 'waiting', waiting }, { 'retrying', retrying }, { 'scheduled', scheduled }, { 'waiting', parked },
  { 'blocked', blocked },
}
local NO_NUMBER = pack('<I6', 0)

-- The state of a job and its score there, looked for first where its record says; nothing when no set holds it.
local function find_place(id, record)
  local first = 5
  if record and sub(record, TOKEN, ENDED - 1) ~= NO_NUMBER then
    first = 1
  elseif record and sub(record, FINISHED, CLAIMED - 1) ~= NO_NUMBER then
    first = 2
  end
  for i = 0, #PLACES - 1 do
    local place = PLACES[(first + i - 1) % #PLACES + 1]
    local score = call('ZSCORE', place[2], id)
    if score then return place[1], score end
  end
end

-- Whether an id stands behind another in a set. Not by `>`: that follows the machine's language.
local function is_behind(a, b)
  local a1, a2, a3 = struct.unpack('>I6I6I4', a)
  local b1, b2, b3 = struct.unpack('>I6I6I4', b)
  if a1 ~= b1 then return a1 > b1 end
  if a2 ~= b2 then return a2 > b2 end
  return a3 > b3
end

-- Up to `most` members and scores behind a place in a set, or before it when going down, whether the job
-- that was there still is or not; from the end when `score` is ''.
local function beside(set, score, id, down, most)
  local from = 0
  if score ~= '' then
    local low = call('ZCOUNT', set, '-inf', '(' .. score)
    local high = low + call('ZCOUNT', set, score, score)
    while low < high do
      local middle = math.floor((low + high) / 2)
      local there = call('ZRANGE', set, middle, middle)[1]
      if is_behind(there, id) or (down and there == id) then high = middle else low = middle + 1 end
    end
    from = down and call('ZCARD', set) - low or low
  end
  return call(down and 'ZREVRANGE' or 'ZRANGE', set, from, from + most - 1, 'WITHSCORES')
end

-- The first `most` of two lists of members and scores, in order.
local function merge(a, b, down, most)
  local merged, i, j = {}, 1, 1
  while #merged < 2 * most and (a[i] or b[j]) do
    local first = not b[j]
    if a[i] and b[j] then
      local x, y = tonumber(a[i + 1]), tonumber(b[j + 1])
      first = (x < y or (x == y and is_behind(b[j], a[i]))) ~= down
    end
    local from, at = first and a or b, first and i or j
    merged[#merged + 1], merged[#merged + 2] = from[at], from[at + 1]
    if first then i = i + 2 else j = j + 2 end
  end
  return merged
end

-- A spec without its payload: field 1 is the kind, field 2 the payload with its length in sevens of bits.
local function without_payload(spec)
  local start = 3 + (spec:byte(2) or 0)
  if spec:byte(start) ~= 18 then return spec end
  local at, length, scale = start, 0, 1
  repeat
    at = at + 1
    local byte = spec:byte(at) or 0
    length, scale = length + byte % 128 * scale, scale * 128
  until byte < 128
  return sub(spec, 1, start - 1) .. sub(spec, at + 1 + length)
end

-- An error with the start of its message; '' for a result.
local function short_error(stored)
  if not stored or stored:byte(1) ~= 69 then return '' end
  return sub(stored, 1, 1026 + (stored:byte(2) or 0))
end
