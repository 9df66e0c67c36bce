-- Put behind prelude.lua where attempts end: what a history tells of them.
-- A history has entries of a letter, the length of a body (4 bytes) and the body, oldest first:
-- 'A' an attempt that ended, 'P' a spec whose payload was replaced.

-- The letter in the history of an attempt that was acked: told only when the job is retried.
local ACKED = 'a'

-- The functions of this part by name. They are made when one is first needed: most calls tell nothing.
local tellers
local function history_of()
  if tellers then return tellers end
  local MOST_ATTEMPTS, MOST_PAYLOADS, MESSAGE_BYTES = 20, 2, 1024
  tellers = {}

  function tellers.entry(letter, body)
    return letter .. pack('<I4', #body) .. body
  end

  -- An attempt as its record tells of it; `letter` says how it ended, `failure` as in the results column or ''.
  function tellers.attempt(letter, attempt, claimed, ended, worker, failure)
    local code_len = failure:byte(2) or 0
    local code, message = sub(failure, 3, 2 + code_len), sub(failure, 3 + code_len, 2 + code_len + MESSAGE_BYTES)
    return tellers.entry('A', letter .. pack('<HI6I6Bc0Bc0', attempt, claimed, ended, #worker, worker,
      #code, code) .. message)
  end

  -- Drops the oldest entries that are too many.
  local function shorten(text)
    local starts, letters, at = {}, { A = -MOST_ATTEMPTS, P = -MOST_PAYLOADS }, 1
    while at + 4 <= #text do
      local letter = sub(text, at, at)
      starts[#starts + 1] = at
      letters[letter] = (letters[letter] or 0) + 1
      at = at + 5 + struct.unpack('<I4', text, at + 1)
    end
    if letters.A <= 0 and letters.P <= 0 then return text end
    local kept = {}
    for i, start in ipairs(starts) do
      local letter = sub(text, start, start)
      letters[letter] = letters[letter] - 1
      if letters[letter] < 0 then kept[#kept + 1] = sub(text, start, (starts[i + 1] or #text + 1) - 1) end
    end
    return table.concat(kept)
  end

  function tellers.append(ids, entries)
    local packed = {}
    for i, old in ipairs(call('HMGET', history, unpack(ids))) do
      packed[2 * i - 1], packed[2 * i] = ids[i], shorten((old or '') .. entries[i])
    end
    call('HSET', history, unpack(packed))
  end

  return tellers
end

