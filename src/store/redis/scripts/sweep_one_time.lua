local ended, most = arg(), number()
local names = redis.call('ZRANGEBYSCORE', at('ends'), '-inf', '(' .. ended, 'LIMIT', 0, most)
for _, name in ipairs(names) do forget(name) end
return #names
