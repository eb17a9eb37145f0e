local stops = redis.call('GET', at('o:' .. arg()))
return stops and tonumber(stops) > number() and 1 or 0
