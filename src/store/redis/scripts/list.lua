local name, except, most = arg(), arg(), number()
local found = {}
for _, id in ipairs(redis.call('ZREVRANGE', at(name), 0, most)) do
  if #found < most and id ~= except and version_of(id) ~= '' then
    local values = redis.call('HMGET', at('s:' .. id), unpack(FIELDS))
    table.insert(values, 1, id)
    table.insert(found, values)
  end
end
return found
