-- ARGV: node, incarnation, whether it has notices ("1"). Takes a node off the register; where it leaves anything behind, it is
-- for the others to carry out at once.
local node, incarnation = ARGV[1], ARGV[2]
if redis.call('HGET', run, node) ~= incarnation then
  return 0
end
local begin = sized(node)
local member = redis.call('ZRANGEBYLEX', owners, '[' .. begin, '+', 'LIMIT', 0, 1)[1]
if ARGV[3] == '1' or member and string.sub(member, 1, #begin) == begin then
  bury(node, clock())
  put_off()
  return 1
end
redis.call('ZREM', lease, node)
redis.call('HDEL', run, node)
redis.call('HDEL', seen, node)
return 0
