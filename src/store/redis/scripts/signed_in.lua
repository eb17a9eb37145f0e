local connection, after, most = arg(), arg(), number()
local key = at('subjects:' .. connection)
local first = after == '' and '-' or '(' .. after
while true do
  local page = redis.call('ZRANGEBYLEX', key, first, '+', 'LIMIT', 0, most)
  local forgotten = false
  for _, subject in ipairs(page) do
    if redis.call('EXISTS', at('i:' .. connection .. '\0' .. subject)) == 0 then
      redis.call('ZREM', key, subject)
      forgotten = true
    end
  end
  if not forgotten then return page end
end
