local uses = read_uses()
if used_before(uses) > 0 then return 0 end
use_up(uses)
return 1
