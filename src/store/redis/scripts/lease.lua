local name, moment, stops = 'o:' .. arg(), number(), arg()
local held = redis.call('GET', at(name))
if held and tonumber(held) > moment then return 0 end
redis.call('SET', at(name), stops)
ends_at(name, stops)
return 1
