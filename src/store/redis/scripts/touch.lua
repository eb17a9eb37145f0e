for _ = 1, number() do
  local id, used = arg(), arg()
  local before = redis.call('HGET', at('s:' .. id), 'used')
  if before and tonumber(before) < tonumber(used) then
    redis.call('HSET', at('s:' .. id), 'used', used)
    redis.call('ZADD', at('used'), used, id)
  end
end
return 1
