local hash, id, host = arg(), arg(), arg()
local uses = read_uses()
if used_before(uses) > 0 or version_of(id) == '' or redis.call('EXISTS', at('h:' .. hash)) == 1 then
  return 0
end
use_up(uses)
local dropped = false
for _, other in ipairs(redis.call('SMEMBERS', at('hs:' .. id))) do
  if redis.call('HGET', at('h:' .. other), 'host') == host then
    drop_handle(other)
    dropped = true
  end
end
if dropped then note('session', id) end
add_handle(hash, id, host)
return 1
