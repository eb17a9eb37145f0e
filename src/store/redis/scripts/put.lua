local name, payload, stops = 'r:' .. arg(), arg(), arg()
redis.call('HSET', at(name), 'payload', payload, 'until', stops)
ends_at(name, stops)
return 1
