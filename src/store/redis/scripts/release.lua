forget('o:' .. arg())
return 1
