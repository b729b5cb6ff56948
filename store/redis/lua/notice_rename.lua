-- KEYS: from, to. Gives a hash another name, unless there is one of that name.
if redis.call('EXISTS', KEYS[1]) == 1 then
  redis.call('RENAMENX', KEYS[1], KEYS[2])
  redis.call('PEXPIRE', KEYS[2], life)
end
return 0
