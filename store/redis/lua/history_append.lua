-- Adds a message to a room, once. See history_lane.go for what seq and prev are for, and history_keys.go for the keys.
-- KEYS: heads, bodies, rooms, sizes, mark
-- ARGV: room, token, head, body, bytes of the message, seq, prev, bounds of the room (messages, bytes), bytes of a room,
--       life of keys (ms), life of the mark (ms)
-- Returns 1 (added), 0 (it was there already) or -1 (prev was not), and the messages and bytes of all rooms of the lane.
local seq, prev = tonumber(ARGV[6]), tonumber(ARGV[7])
if prev < 0 then -- something else at our keys would stop the lane for good
  for i, kind in ipairs({'list', 'hash', 'zset', 'hash', 'string'}) do
    local is = redis.call('TYPE', KEYS[i])
    is = is.ok or is
    if is ~= kind and is ~= 'none' then redis.call('DEL', KEYS[i]) end
  end
end

local mark = tonumber(redis.call('GET', KEYS[5]) or 0) or 0
local sizes = redis.call('HMGET', KEYS[4], ARGV[1], '*messages', '*bytes')
local messages, total = tonumber(sizes[2] or 0) or 0, tonumber(sizes[3] or 0) or 0
if mark >= seq then return {0, messages, total} end
if prev >= 0 and mark ~= prev then return {-1, messages, total} end

local had, size, day = string.match(sizes[1] or '', '^(%d+) (%d+) (%d+)$')
local known = had ~= nil
had, size = tonumber(had or 0), tonumber(size or 0)
local time = redis.call('TIME')
redis.call('ZADD', KEYS[3], string.format('%.0f', tonumber(time[1]) * 1000000 + tonumber(time[2])), ARGV[1])
redis.call('HSET', KEYS[2], ARGV[2], ARGV[4])
local n = redis.call('RPUSH', KEYS[1], ARGV[3])
local bytes = size + tonumber(ARGV[5])
local renewed = n ~= had + 1
if renewed then -- the list has expired, or somebody else was at it
  bytes = 0
  for _, head in ipairs(redis.call('LRANGE', KEYS[1], 0, -1)) do
    bytes = bytes + tonumber(string.match(head, '^%d+ %S+ (%d+) ') or 0)
  end
end

local most, mostBytes = tonumber(ARGV[8]), tonumber(ARGV[9])
while n > 1 and (n > most or bytes > mostBytes) do
  local token, gone = string.match(redis.call('LPOP', KEYS[1]), '^%d+ (%S+) (%d+) ')
  n = n - 1
  if token then
    redis.call('HDEL', KEYS[2], token)
    bytes = math.max(0, bytes - tonumber(gone))
  end
end

messages = math.max(0, messages + n - had)
total = math.max(0, total + bytes - size)
if not known then total = total + tonumber(ARGV[10]) end
local today = math.floor(tonumber(time[1]) / 86400)
if renewed or tonumber(day or 0) ~= today then
  for i = 1, 4 do redis.call('PEXPIRE', KEYS[i], ARGV[11]) end
end
redis.call('HSET', KEYS[4], ARGV[1], string.format('%.0f %.0f %.0f', n, bytes, today),
  '*messages', string.format('%.0f', messages), '*bytes', string.format('%.0f', total))
redis.call('SET', KEYS[5], ARGV[6], 'PX', ARGV[12])
return {1, messages, total}
