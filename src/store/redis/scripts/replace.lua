-- The last argument says whether it is told: a rename tells of all of them together.
local record, was, told = read_record(), arg(), arg()
if version_of(record.id) ~= was then return 0 end
write(record)
if told == 'told' then note('session', record.id) end
return 1
