local id = arg()
if not finish(id) then return 0 end
note('session', id)
return 1
