-- What every script begins with. KEYS[1] is the front of all keys, with the hash tag that puts them
-- into one slot; the arguments are read one after the other. A script checks first and writes then:
-- nothing is taken back.
local front = KEYS[1]
local position = 0
local function arg()
  position = position + 1
  return ARGV[position]
end
local function number() return tonumber(arg()) end
local function at(name) return front .. ':' .. name end

if redis.call('HGET', at('feed'), 'id') ~= arg() then
  return redis.error_reply('FEEDLOST the data are not those that were joined')
end

local now_text = arg()
local now = tonumber(now_text)
local SLACK = 3600000
local CHANGES_KEPT = 65536
local FIELDS = { 'user', 'proofs', 'created', 'used', 'expires', 'address', 'agent', 'sids', 'sealed',
  'version' }

-- Lets the server forget a key a little after its end. A key lives as long as the last thing in it.
local function keep(key, ends)
  local left = math.max(ends - now, 0) + SLACK
  if redis.call('PTTL', key) < left then redis.call('PEXPIRE', key, left) end
end

local function note(kind, subject)
  redis.call('RPUSH', at('changes'), now_text .. ' ' .. kind .. ' ' .. subject)
  redis.call('LTRIM', at('changes'), -CHANGES_KEPT, -1)
  redis.call('HINCRBY', at('feed'), 'last', 1)
  keep(at('changes'), now)
end

-- Sessions: s:ID, with its handles in hs:ID, and found by `created`, `expires`, `used` and the
-- indexes that it names: u:USER, c:CONNECTION, i:CONNECTION\0SUBJECT, p:SID. The subjects of a
-- connection are in subjects:CONNECTION, as long as an i: index of theirs is there.

local function unindex(id, packed)
  for _, name in ipairs(cmsgpack.unpack(packed)) do
    redis.call('ZREM', at(name), id)
    local connection, subject = string.match(name, '^i:(%Z*)%z(.*)$')
    if connection and redis.call('EXISTS', at(name)) == 0 then
      redis.call('ZREM', at('subjects:' .. connection), subject)
    end
  end
end

local function index(record)
  local ends = tonumber(record.expires)
  local function add(name, score, member)
    redis.call('ZADD', at(name), score, member)
    keep(at(name), ends)
  end
  add('created', record.created, record.id)
  add('expires', record.expires, record.id)
  add('used', record.used, record.id)
  for _, name in ipairs(record.names) do
    add(name, record.created, record.id)
    local connection, subject = string.match(name, '^i:(%Z*)%z(.*)$')
    if connection then add('subjects:' .. connection, 0, subject) end
  end
end

local function read_record()
  local record = { id = arg() }
  for _, field in ipairs(FIELDS) do record[field] = arg() end
  record.names = {}
  for i = 1, number() do record.names[i] = arg() end
  return record
end

local function version_of(id) return redis.call('HGET', at('s:' .. id), 'version') or '' end

-- New, or over what is there; the time of the last use does not go back.
local function write(record)
  local key, handles = at('s:' .. record.id), at('hs:' .. record.id)
  local before = redis.call('HMGET', key, 'used', 'names')
  if before[2] then
    unindex(record.id, before[2])
    if tonumber(before[1]) > tonumber(record.used) then record.used = before[1] end
  end
  local values = { 'names', cmsgpack.pack(record.names) }
  for _, field in ipairs(FIELDS) do
    table.insert(values, field)
    table.insert(values, record[field])
  end
  redis.call('HSET', key, unpack(values))
  local ends = tonumber(record.expires)
  keep(key, ends)
  for _, hash in ipairs(redis.call('SMEMBERS', handles)) do keep(at('h:' .. hash), ends) end
  keep(handles, ends)
  index(record)
end

local function add_handle(hash, id, host)
  local ends = tonumber(redis.call('HGET', at('s:' .. id), 'expires'))
  redis.call('HSET', at('h:' .. hash), 'session', id, 'host', host)
  redis.call('SADD', at('hs:' .. id), hash)
  keep(at('h:' .. hash), ends)
  keep(at('hs:' .. id), ends)
end

-- The session that the handle opened, if it is there.
local function drop_handle(hash)
  local id = redis.call('HGET', at('h:' .. hash), 'session')
  if id then
    redis.call('DEL', at('h:' .. hash))
    redis.call('SREM', at('hs:' .. id), hash)
  end
  return id
end

-- Removes a session with all that points at it; whether it was there.
local function finish(id)
  local packed = redis.call('HGET', at('s:' .. id), 'names')
  for _, name in ipairs({ 'created', 'expires', 'used' }) do redis.call('ZREM', at(name), id) end
  for _, hash in ipairs(redis.call('SMEMBERS', at('hs:' .. id))) do
    redis.call('DEL', at('h:' .. hash))
  end
  redis.call('DEL', at('s:' .. id), at('hs:' .. id))
  if packed then unindex(id, packed) end
  return packed and true or false
end

-- Whether one of the ends that are named came after the proof.
local function outdated()
  local proven = number()
  for _ = 1, number() do
    local ended = redis.call('ZSCORE', at('cutoffs'), arg())
    if ended and proven <= tonumber(ended) then return true end
  end
  return false
end

-- What works once: o:PURPOSE:HASH is a use that was noted, r:PURPOSE:HASH a row to be taken,
-- n:COUNTS:SLOT a counter; their ends are in `ends`.

local function ends_at(name, stops)
  redis.call('ZADD', at('ends'), stops, name)
  keep(at(name), tonumber(stops))
  keep(at('ends'), tonumber(stops))
end

local function forget(name)
  redis.call('DEL', at(name))
  redis.call('ZREM', at('ends'), name)
end

local function read_uses()
  local uses = {}
  for i = 1, number() do uses[i] = { first = arg() == 'first', name = arg(), time = arg() } end
  return uses
end

local function named(use) return (use.first and 'o:' or 'r:') .. use.name end

-- The first of these that cannot be used, one after the other; 0: all can.
local function used_before(uses)
  local seen = {}
  for i, use in ipairs(uses) do
    local name = named(use)
    local unused
    if use.first then
      unused = redis.call('EXISTS', at(name)) == 0
    else
      local stops = redis.call('HGET', at(name), 'until')
      unused = stops and tonumber(stops) > tonumber(use.time)
    end
    if seen[name] or not unused then return i end
    seen[name] = true
  end
  return 0
end

local function use_up(uses)
  for _, use in ipairs(uses) do
    if use.first then
      redis.call('SET', at(named(use)), use.time)
      ends_at(named(use), use.time)
    else
      forget(named(use))
    end
  end
end

