-- A node is in lease and run while it is registered; what it leaves behind is work, named "incarnation node".
local function named(node, incarnation)
  return incarnation .. ' ' .. node
end

-- bury takes a node off the register, for the others to carry out what it leaves behind.
local function bury(node, now)
  local incarnation = redis.call('HGET', run, node)
  redis.call('ZREM', lease, node)
  redis.call('HDEL', run, node)
  redis.call('HDEL', seen, node)
  if redis.call('HDEL', leaving, node) == 1 then
    redis.call('INCR', version)
  end
  if incarnation then
    redis.call('ZADD', dead, now, named(node, incarnation))
    redis.call('ZADD', work, 0, named(node, incarnation))
  end
end

local function put_off()
  for _, key in ipairs(KEYS) do
    redis.call('PEXPIRE', key, life)
  end
end
