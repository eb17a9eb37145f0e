local key = at('n:' .. arg())
if tonumber(redis.call('HGET', key, 'spent') or 0) > 0 then redis.call('HINCRBY', key, 'spent', -1) end
return 1
