-- KEYS: left, taken. ARGV: the key of a notice. One that was taken over is not withdrawn as well.
local n = tonumber(redis.call('HGET', KEYS[2], ARGV[1]) or '0')
if n > 1 then
  redis.call('HSET', KEYS[2], ARGV[1], n - 1)
elseif n == 1 then
  redis.call('HDEL', KEYS[2], ARGV[1])
else
  change(KEYS[1], ARGV[1], -1)
end
return 0
