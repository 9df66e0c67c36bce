-- Put behind prelude.lua where pauses matter. Jobs of a paused kind lie in `parked` instead of `waiting`.
-- `kinds` in the config names the paused ones: a line break, the kind, '=', when it resumes or 0; a
-- line break at the end.

-- Whether a pause, in the form 'resume|since|reason', holds; and until when, 0 for ever.
local function holds(pause, now)
  local resume = tonumber((pause or ''):match('^%d+'))
  return resume and (resume == 0 or resume > now), resume
end

-- Whether jobs of a kind are kept back.
local function is_paused(kinds, kind, now)
  local _, from = kinds:find('\n' .. kind .. '=', 1, true)
  return from ~= nil and holds(kinds:match('^%d+', from + 1), now)
end

-- The first field of a spec is the kind: a tag byte, a length byte, the name.
local function kind_of(spec)
  return spec and #spec > 2 and sub(spec, 3, 2 + spec:byte(2)) or ''
end

-- What the config says that claims go by.
local function claim_settings()
  return call('HMGET', config, 'paused', 'kinds', 'kinds_resume', 'unpark', 'next_expiry', 'max_attempts', 'timeout',
    'backoff')
end

