-- KEYS: left, taken. ARGV: the key of a will. Replies with 1 where there was one.
if not change(KEYS[1], ARGV[1], -1) then
  return 0
end
redis.call('HINCRBY', KEYS[2], ARGV[1], 1)
redis.call('PEXPIRE', KEYS[2], life)
return 1
