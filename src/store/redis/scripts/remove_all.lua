-- How many ended, and whether there may be more. Only the first of several calls names the cutoff.
local name, except, cutoff = arg(), arg(), arg()
local most = number()
local kind, subject = arg(), arg()
if cutoff ~= '' then
  redis.call('ZADD', at('cutoffs'), now_text, cutoff)
  keep(at('cutoffs'), now)
end
local ids = redis.call('ZRANGE', at(name), 0, most - 1)
local ended = 0
for _, id in ipairs(ids) do
  if id ~= except then
    if finish(id) then
      ended = ended + 1
      if kind == 'session' then note('session', id) end
    end
    -- the server may have forgotten the session, and not yet this
    redis.call('ZREM', at(name), id)
  end
end
if ended > 0 and kind ~= 'session' then note(kind, subject) end
return { ended, #ids == most and 1 or 0 }
