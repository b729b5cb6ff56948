-- ARGV: base, user's key.
local user = base .. 'u:' .. ARGV[2]
for _, ticket in ipairs(redis.call('ZRANGE', user, 0, -1)) do
  redis.call('DEL', base .. 't:' .. ticket)
  redis.call('ZREM', all, ticket)
end
redis.call('DEL', user)
return 0
