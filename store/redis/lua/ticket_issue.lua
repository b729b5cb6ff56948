-- ARGV: base, ticket, user's key, user's id, life in ms, how many tickets there may be, how many of one user.
local ticket, user, life_ms = ARGV[2], base .. 'u:' .. ARGV[3], tonumber(ARGV[5])
if redis.call('EXISTS', base .. 't:' .. ticket) == 1 then
  return 0
end
local t = redis.call('TIME')
local now = tonumber(t[1]) * 1000000 + tonumber(t[2])
local past = string.format('%.0f', now)

-- What is over goes, a little at a time where there is much.
redis.call('ZREMRANGEBYSCORE', user, '-inf', past)
for _, old in ipairs(redis.call('ZRANGEBYSCORE', all, '-inf', past, 'LIMIT', 0, 100)) do
  redis.call('ZREM', all, old)
end
while redis.call('ZCARD', user) >= tonumber(ARGV[7]) do
  local oldest = redis.call('ZRANGE', user, 0, 0)[1]
  drop(oldest)
  redis.call('ZREM', user, oldest)
end
while redis.call('ZCARD', all) >= tonumber(ARGV[6]) do
  drop(redis.call('ZRANGE', all, 0, 0)[1])
end

local ends = now + life_ms * 1000
local last = redis.call('ZREVRANGE', all, 0, 0, 'WITHSCORES')[2]
if last and ends <= tonumber(last) then
  ends = tonumber(last) + 1
end
ends = string.format('%.0f', ends)
redis.call('SET', base .. 't:' .. ticket, ARGV[3] .. ARGV[4], 'PX', life_ms)
redis.call('ZADD', all, ends, ticket)
redis.call('ZADD', user, ends, ticket)
redis.call('PEXPIRE', all, ARGV[5])
redis.call('PEXPIRE', user, ARGV[5])
return 1
