-- ARGV: node, incarnation, lease in ms, the version of leaving that this node knows, until when it may declare others dead (ms; 0
-- for not at all), whether it is to look for users of nodes that are no more ("1"), whether it has time for work ("1").
-- Replies with nothing where this node has no lease; else with the version, the work it has been given ("" for none), and, if
-- the version is another one, node and incarnation of each that is leaving.
local node, incarnation = ARGV[1], ARGV[2]
local now = clock()
if redis.call('HGET', run, node) ~= incarnation or tonumber(redis.call('ZSCORE', lease, node) or '0') < now then
  return {}
end

local steady = now <= tonumber(ARGV[5])
if steady then
  for _, other in ipairs(redis.call('ZRANGEBYSCORE', lease, '-inf', '(' .. now, 'LIMIT', 0, 16)) do
    bury(other, now)
  end
  redis.call('ZREMRANGEBYSCORE', dead, '-inf', now - life)
  redis.call('ZREMRANGEBYRANK', dead, 0, -10001)
end

-- A node has users and is neither registered nor among the dead whose remains are waiting: somebody began with them and did
-- not end, or it wrote them after it had been declared dead.
if steady and ARGV[6] == '1' then
  local known = {}
  for _, item in ipairs(redis.call('ZRANGE', work, 0, -1)) do
    known[string.sub(item, 18)] = true
  end
  local from = '-'
  for _ = 1, 1000 do
    local member = redis.call('ZRANGEBYLEX', owners, from, '+', 'LIMIT', 0, 1)[1]
    if not member then
      break
    end
    local owner = unsized(member, 1)
    if not known[owner] and redis.call('HEXISTS', run, owner) == 0 then
      redis.call('ZADD', work, 0, named(owner, string.rep('0', 16)))
    end
    from = '[' .. sized(owner) .. '\255'
  end
end

-- What a node left behind that is registered again is its own business.
local given = ''
for _, item in ipairs(redis.call('ZRANGEBYSCORE', work, '-inf', '(' .. now, 'LIMIT', 0, 64)) do
  if ARGV[7] == '1' and given == '' and redis.call('HEXISTS', run, string.sub(item, 18)) == 0 then
    given = item
    redis.call('ZADD', work, now + tonumber(ARGV[3]), item)
    redis.call('HSET', claim, item, named(node, incarnation))
  end
end

local current = redis.call('GET', version) or '0'
local reply = {current, given}
if redis.call('HGET', seen, node) ~= ARGV[4] then
  redis.call('HSET', seen, node, ARGV[4])
end
if ARGV[4] ~= current then
  local all = redis.call('HGETALL', leaving)
  for i = 1, #all, 2 do
    if all[i] ~= node then
      reply[#reply + 1] = all[i]
      reply[#reply + 1] = all[i + 1]
    end
  end
end
put_off()
return reply
