local session, host = unpack(redis.call('HMGET', at('h:' .. arg()), 'session', 'host'))
if not session or version_of(session) == '' then return false end
local values = redis.call('HMGET', at('s:' .. session), unpack(FIELDS))
table.insert(values, 1, session)
table.insert(values, host)
return values
