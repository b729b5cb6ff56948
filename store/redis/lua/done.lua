-- ARGV: work, "incarnation node" of who was given it, whether it is done ("1"). Not done, it is left to somebody else.
if redis.call('HGET', claim, ARGV[1]) == ARGV[2] then
  redis.call('HDEL', claim, ARGV[1])
  if ARGV[3] == '1' then
    redis.call('ZREM', work, ARGV[1])
  else
    redis.call('ZADD', work, 0, ARGV[1])
  end
end
return 0
