-- drain: refuse new jobs while those that are there run to their end.
-- KEYS     waiting active scheduled retrying blocked events config parked
-- ARGV     -
-- RETURNS  nothing
-- ERRORS   -
-- EVENTS   -
-- COST     O(1)
begin_writes()
call('HSET', config, 'draining', '1')
tell_when_empty()
