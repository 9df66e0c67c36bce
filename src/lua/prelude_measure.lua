-- Put behind prelude_count.lua in measure.lua: measures as src/measures.rs packs them. Nothing here may
-- raise, whatever is stored.
local MEASURES, MEASURES_MIN, HISTOGRAM_PLACES = '<I4I4I4H', 14, 256

-- Adds a histogram to counts by place: a varint for each, 0 and a byte for so many places without any.
local function add_histogram(counts, packed)
  local bytes, at, place = { packed:byte(1, 2048) }, 1, 0
  while at <= #bytes and place < HISTOGRAM_PLACES do
    local number, factor = 0, 1
    while (bytes[at] or 0) >= 128 do
      number, factor, at = number + (bytes[at] - 128) * factor, factor * 128, at + 1
    end
    number, at = number + (bytes[at] or 0) * factor, at + 1
    if number == 0 then
      place, at = place + (bytes[at] or 0), at + 1
    else
      counts[place], place = (counts[place] or 0) + number, place + 1
    end
  end
end

local function pack_histogram(counts)
  local bytes, empty = {}, 0
  for place = 0, HISTOGRAM_PLACES - 1 do
    local number = counts[place]
    if not number then
      empty = empty + 1
    else
      if empty > 0 then bytes[#bytes + 1] = string.char(0, empty) end
      empty = 0
      while number >= 128 do
        bytes[#bytes + 1], number = string.char(128 + number % 128), math.floor(number / 128)
      end
      bytes[#bytes + 1] = string.char(number)
    end
  end
  return table.concat(bytes)
end

-- Two measures together; the second alone where the first can not be read.
local function add_measures(old, new)
  if not old or #old < MEASURES_MIN then return new end
  local completed_a, failed_a, errored_a, wait_a = struct.unpack(MEASURES, old)
  local completed_b, failed_b, errored_b, wait_b = struct.unpack(MEASURES, new)
  local wait, run = {}, {}
  add_histogram(wait, sub(old, 15, 14 + wait_a))
  add_histogram(run, sub(old, 15 + wait_a))
  add_histogram(wait, sub(new, 15, 14 + wait_b))
  add_histogram(run, sub(new, 15 + wait_b))
  wait, run = pack_histogram(wait), pack_histogram(run)
  return pack(MEASURES, completed_a + completed_b, failed_a + failed_b, errored_a + errored_b, #wait) .. wait .. run
end
