-- Takes a room out, unless somebody has written to it meanwhile.
-- KEYS: heads, bodies, rooms, sizes. ARGV: room, the second when it was written to, what is noted of its size, bytes of a
-- room
-- Returns 1 (taken out) or 0, and the messages and bytes of all rooms of the lane.
local sizes = redis.call('HMGET', KEYS[4], ARGV[1], '*messages', '*bytes')
local messages, total = tonumber(sizes[2] or 0) or 0, tonumber(sizes[3] or 0) or 0
if redis.call('ZSCORE', KEYS[3], ARGV[1]) ~= ARGV[2] or (sizes[1] or '') ~= ARGV[3] then return {0, messages, total} end
redis.call('UNLINK', KEYS[1], KEYS[2])
redis.call('ZREM', KEYS[3], ARGV[1])
redis.call('HDEL', KEYS[4], ARGV[1])
local had, size = string.match(ARGV[3], '^(%d+) (%d+) ')
if had then
  messages = math.max(0, messages - tonumber(had))
  total = math.max(0, total - tonumber(size) - tonumber(ARGV[4]))
  redis.call('HSET', KEYS[4], '*messages', messages, '*bytes', total)
end
return {1, messages, total}
