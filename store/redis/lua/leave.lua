-- ARGV: node, incarnation, grace in ms. Replies with the version in which it is leaving, 0 where it is not registered.
local node, incarnation = ARGV[1], ARGV[2]
if redis.call('HGET', run, node) ~= incarnation then
  return 0
end
redis.call('ZADD', lease, clock() + tonumber(ARGV[3]), node)
redis.call('HSET', leaving, node, incarnation)
local changes = redis.call('INCR', version)
put_off() -- of what is there by now
return changes
