local payload, stops = unpack(redis.call('HMGET', at('r:' .. arg()), 'payload', 'until'))
if not stops or tonumber(stops) <= number() then return false end
return payload
