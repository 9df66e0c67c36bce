-- pause: keep the jobs of a queue, or of one kind in it, from being claimed, or end that.
-- KEYS     specs waiting active wake config parked
-- ARGV     1 kind, or '' for the queue  2 'pause' or 'resume'  3 when it resumes by itself in ms, or 0  4 reason
-- RETURNS  'ok', or 'FULL' when as many kinds are paused as can be
-- ERRORS   -
-- EVENTS   -
-- COST     O(kinds), at most 32 are paused; up to 200 parked jobs go back
local kind, is_pause, resume, reason, now = ARGV[1], ARGV[2] == 'pause', tonumber(ARGV[3]), ARGV[4], now_ms()
local value = integer(resume) .. '|' .. integer(now) .. '|' .. reason
begin_writes()
if kind == '' then
  if is_pause then
    call('HSET', config, 'paused', value)
  else
    call('HDEL', config, 'paused', 'draining')
    if call('ZCARD', waiting) > 0 then ensure_wake() end
  end
  return 'ok'
end
local others, paused = '\n', 0
for other, at in (call('HGET', config, 'kinds') or ''):gmatch('([^\n=]+)=(%d+)') do
  if other ~= kind and holds(at, now) then others, paused = others .. other .. '=' .. at .. '\n', paused + 1 end
end
if is_pause then
  if paused >= 32 then return 'FULL' end
  others = others .. kind .. '=' .. integer(resume) .. '\n'
  call('HSET', config, 'kind:' .. kind, value)
else
  call('HDEL', config, 'kind:' .. kind)
end
unpark(resume_kinds(others, now), '-inf', now, 200)
return 'ok'
