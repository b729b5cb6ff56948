-- Tells what a lane holds, and its rooms that waited longest for a message.
-- KEYS: rooms, sizes. ARGV: how many rooms
-- Returns messages, bytes, number of rooms, the time in seconds, and of each room its name, the second when it was written
-- to, and what is noted of its size.
local sizes = redis.call('HMGET', KEYS[2], '*messages', '*bytes')
local reply = {tonumber(sizes[1] or 0) or 0, tonumber(sizes[2] or 0) or 0, redis.call('ZCARD', KEYS[1]), redis.call('TIME')[1]}
local oldest = redis.call('ZRANGE', KEYS[1], 0, tonumber(ARGV[1]) - 1, 'WITHSCORES')
for i = 1, #oldest, 2 do
  local k = #reply
  reply[k + 1], reply[k + 2], reply[k + 3] = oldest[i], oldest[i + 1], redis.call('HGET', KEYS[2], oldest[i]) or ''
end
return reply
