local id = arg()
if version_of(id) == '' then return false end
local values = redis.call('HMGET', at('s:' .. id), unpack(FIELDS))
table.insert(values, 1, id)
return values
