-- KEYS: notices. ARGV: the key of a notice and its value, "" for one that is gone, and so on. The time the hash may stay is told
-- each time: it may have gone while this node was stopped, and must not come back for good.
for i = 1, #ARGV, 2 do
  if ARGV[i + 1] == '' then
    redis.call('HDEL', KEYS[1], ARGV[i])
  else
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
  end
end
redis.call('PEXPIRE', KEYS[1], life)
return 0
