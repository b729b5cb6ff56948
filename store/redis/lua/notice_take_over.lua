-- KEYS: left, taken. ARGV: keys of notices. Replies with 1 or 0 for each: whether there was one.
local taken = {}
for i, key in ipairs(ARGV) do
  taken[i] = 0
  if change(KEYS[1], key, -1) then
    taken[i] = 1
    redis.call('HINCRBY', KEYS[2], key, 1)
    redis.call('PEXPIRE', KEYS[2], life)
  end
end
return taken
