-- 1: issued; 0: changed; -1: outdated; -2 and below: the first, second … use was used before.
local record, was = read_record(), arg()
local hash, host = arg(), arg()
local ends, drops = arg(), arg()
local uses = read_uses()
local used = used_before(uses)
if used > 0 then return -1 - used end
if outdated() then return -1 end
if version_of(record.id) ~= was or redis.call('EXISTS', at('h:' .. hash)) == 1 then return 0 end

use_up(uses)
write(record)
if was ~= '' then note('session', record.id) end
if ends ~= '' and ends ~= record.id and finish(ends) then note('session', ends) end
local lost = drops ~= '' and drop_handle(drops)
if lost and not (lost == record.id and was ~= '') then note('session', lost) end
add_handle(hash, record.id, host)
return 1
