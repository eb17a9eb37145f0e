-- From the old end only, so that what is left has no hole. Says how many, and whether that is all.
local before, most = number(), number()
local oldest = redis.call('LRANGE', at('changes'), 0, most - 1)
local swept = 0
for _, change in ipairs(oldest) do
  if tonumber(string.match(change, '^%S+')) >= before then break end
  swept = swept + 1
end
redis.call('LTRIM', at('changes'), swept, -1)
redis.call('PEXPIRE', at('feed'), 2592000000)
return { swept, swept == most and 1 or 0 }
