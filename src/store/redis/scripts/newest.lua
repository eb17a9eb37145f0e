return tonumber(redis.call('HGET', at('feed'), 'last') or 0)
