-- ARGV: node, version. Replies with how many other nodes have not seen it yet; those that are leaving need not.
local count = 0
for _, other in ipairs(redis.call('ZRANGEBYSCORE', lease, clock(), '+inf')) do
  if other ~= ARGV[1] and redis.call('HEXISTS', leaving, other) == 0
    and tonumber(redis.call('HGET', seen, other) or '0') < tonumber(ARGV[2]) then
    count = count + 1
  end
end
return count
