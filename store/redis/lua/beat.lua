-- ARGV: node, incarnation, lease in ms, the work this node is at ("" for none).
-- Replies with Redis' clock in ms behind 0 where all is well; 1 where the lease had run out, but nobody has noticed; 2 where the
-- others have declared this node dead; 3 where Redis does not know it.
local node, incarnation = ARGV[1], ARGV[2]
local now = clock()
local function reply(state)
  return {state, string.format('%.0f', now)}
end
if redis.call('HGET', run, node) ~= incarnation then
  if redis.call('ZSCORE', dead, named(node, incarnation)) then
    return reply('2')
  end
  return reply('3')
end
local until_ = tonumber(redis.call('ZSCORE', lease, node) or '0')
if redis.call('HEXISTS', leaving, node) == 0 then
  redis.call('ZADD', lease, now + tonumber(ARGV[3]), node)
end
if ARGV[4] ~= '' and redis.call('HGET', claim, ARGV[4]) == named(node, incarnation) then
  redis.call('ZADD', work, now + tonumber(ARGV[3]), ARGV[4])
end
put_off()
if until_ < now then
  return reply('1')
end
return reply('0')
