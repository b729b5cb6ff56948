-- KEYS: left, taken. ARGV: keys of wills. Replies with 1 or 0 for each: whether there was one.
local claimed = {}
for i, key in ipairs(ARGV) do
  claimed[i] = 0
  if change(KEYS[1], key, -1) then
    claimed[i] = 1
    redis.call('HINCRBY', KEYS[2], key, 1)
    redis.call('PEXPIRE', KEYS[2], life)
  end
end
return claimed
