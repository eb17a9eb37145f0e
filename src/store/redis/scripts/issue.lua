-- 0: issued; the number of the use that was used before; -1: changed; -2: outdated.
local record, was = read_record(), arg()
local hash, host = arg(), arg()
local ends, drops = arg(), arg()
local uses = read_uses()
local used = used_before(uses)
if used > 0 then return used end
if outdated() then return -2 end
if version_of(record.id) ~= was or redis.call('EXISTS', at('h:' .. hash)) == 1 then return -1 end

use_up(uses)
write(record)
if was ~= '' then note('session', record.id) end
if ends ~= '' and ends ~= record.id and finish(ends) then note('session', ends) end
local lost = drops ~= '' and drop_handle(drops)
if lost and not (lost == record.id and was ~= '') then note('session', lost) end
add_handle(hash, record.id, host)
return 0
