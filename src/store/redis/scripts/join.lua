-- Says which data these are: a random name that is kept beside them. ARGV: the server's run id, the
-- name that the caller knew before (or nothing), and a new name.
--
-- Another server, or a server that was started again, may have lost the last changes; other data
-- have lost all of them. Then the numbers jump, further than any loss, and nobody's place in the
-- feed is in the feed any more.
local feed, changes = KEYS[1] .. ':feed', KEYS[1] .. ':changes'
local JUMP = 1073741824
local MONTH = 2592000000
local server, id = unpack(redis.call('HMGET', feed, 'server', 'id'))
local same_server = server == ARGV[1]
if not (same_server and (ARGV[2] == '' or ARGV[2] == id)) then
  if id or ARGV[2] ~= '' then
    redis.call('HINCRBY', feed, 'last', JUMP)
    redis.call('DEL', changes)
  end
  if not same_server then
    id = ARGV[3]
    redis.call('HSET', feed, 'server', ARGV[1], 'id', id)
  end
end
redis.call('PEXPIRE', feed, MONTH)
return id
