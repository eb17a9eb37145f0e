-- What is left, or -1; and when the window ends. The last argument says whether one is spent.
local name, limit, window, moment, spends = 'n:' .. arg(), number(), number(), number(), arg()
local spent, stops = unpack(redis.call('HMGET', at(name), 'spent', 'until'))
spent, stops = tonumber(spent or 0), tonumber(stops or 0)
if stops <= moment then
  spent, stops = 0, moment + window
end
if spent >= limit then return { -1, stops } end
if spends == 'spend' then
  redis.call('HSET', at(name), 'spent', spent + 1, 'until', stops)
  ends_at(name, stops)
end
return { limit - spent - 1, stops }
