-- The number of the last change, whether there is a gap, and the changes.
local seen, most = number(), number()
local last = tonumber(redis.call('HGET', at('feed'), 'last') or 0)
local before_first = last - redis.call('LLEN', at('changes'))
if seen > last or seen < before_first then return { last, 1, {} } end
local from = seen - before_first
return { last, 0, redis.call('LRANGE', at('changes'), from, from + most - 1) }
