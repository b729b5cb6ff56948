-- ARGV: node, incarnation, lease in ms. Doing it again changes nothing. Replies as beat.lua does.
local now = clock()
redis.call('HSET', run, ARGV[1], ARGV[2])
redis.call('ZADD', lease, now + tonumber(ARGV[3]), ARGV[1])
redis.call('HDEL', seen, ARGV[1])
if redis.call('HDEL', leaving, ARGV[1]) == 1 then
  redis.call('INCR', version)
end
put_off()
return {'0', string.format('%.0f', now)}
