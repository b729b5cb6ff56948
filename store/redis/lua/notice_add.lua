-- KEYS: left. ARGV: the key of a notice, and its rest with the space before it.
if not change(KEYS[1], ARGV[1], 1) then
  redis.call('HSET', KEYS[1], ARGV[1], '1' .. ARGV[2])
  redis.call('PEXPIRE', KEYS[1], life)
end
return 0
