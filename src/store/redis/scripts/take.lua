local name = 'r:' .. arg()
local payload, stops = unpack(redis.call('HMGET', at(name), 'payload', 'until'))
if not stops or tonumber(stops) <= number() then return false end
forget(name)
return payload
