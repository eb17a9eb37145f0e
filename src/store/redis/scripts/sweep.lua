local ended, idle, most = arg(), arg(), number()
local first, last = arg(), arg()
local swept = 0
for _, which in ipairs({ { 'expires', ended }, { 'used', idle } }) do
  local left = most - swept
  if left > 0 then
    local ids = redis.call('ZRANGEBYSCORE', at(which[1]), '-inf', '(' .. which[2], 'LIMIT', 0, left)
    for _, id in ipairs(ids) do
      if finish(id) then note('session', id) end
      swept = swept + 1
    end
  end
end
redis.call('ZREMRANGEBYSCORE', at('cutoffs'), '-inf', '(' .. first)
redis.call('ZREMRANGEBYSCORE', at('cutoffs'), '(' .. last, '+inf')
return swept
