-- Adds a message to a room, once. See history_lane.go for what seq and prev are for, and history_keys.go for the keys.
-- The lines before this one set most and mostBytes, the bounds of a room, and life and markLife, in ms.
-- KEYS: heads, bodies, rooms, sizes, mark
-- ARGV: room, head, body, seq, prev
-- Returns 1 (added), 0 (it was there already) or -1 (prev was not), and the messages and bytes of all rooms of the lane.
local call = redis.call
local function token(head) return string.sub(head, 18, 38) end
local function counts(head) return tonumber(string.match(head, '^(%d+) ', 40) or 0) end
local seq, prev = tonumber(ARGV[4]), tonumber(ARGV[5])
if prev < 0 then -- something else at our keys would stop the lane for good
  for i, kind in ipairs({'list', 'hash', 'zset', 'hash', 'string'}) do
    local is = call('TYPE', KEYS[i])
    is = is.ok or is
    if is ~= kind and is ~= 'none' then call('DEL', KEYS[i]) end
  end
end

local mark = tonumber(call('GET', KEYS[5]) or 0) or 0
local sizes = call('HMGET', KEYS[4], ARGV[1], '*messages', '*bytes')
local messages, total = tonumber(sizes[2] or 0) or 0, tonumber(sizes[3] or 0) or 0
if mark >= seq then return {0, messages, total} end
if prev >= 0 and mark ~= prev then return {-1, messages, total} end

local had, size, second = string.match(sizes[1] or '', '^(%d+) (%d+) (%d+) %d+$')
local known = had ~= nil
had, size, second = tonumber(had or 0), tonumber(size or 0), tonumber(second or 0)
local time = call('TIME')
local now = tonumber(time[1])
if now ~= second then -- within a second, sizes alone says when the room was written to
  call('ZADD', KEYS[3], time[1], ARGV[1])
end
call('HSET', KEYS[2], token(ARGV[2]), ARGV[3])
local n = call('RPUSH', KEYS[1], ARGV[2])
local bytes = size + counts(ARGV[2])
local renewed = n ~= had + 1
if renewed then -- the list has expired, or somebody else was at it
  bytes = 0
  for _, head in ipairs(call('LRANGE', KEYS[1], 0, -1)) do
    bytes = bytes + counts(head)
  end
end

while n > 1 and (n > most or bytes > mostBytes) do
  local head = call('LPOP', KEYS[1])
  call('HDEL', KEYS[2], token(head))
  n = n - 1
  bytes = math.max(0, bytes - counts(head))
end

messages = math.max(0, messages + n - had)
total = math.max(0, total + bytes - size)
if not known then total = total + roomBytes + 4 * #ARGV[1] end
call('HSET', KEYS[4], ARGV[1], n .. ' ' .. bytes .. ' ' .. time[1] .. ' ' .. time[2], '*messages', messages, '*bytes', total)
if renewed or now - now % 86400 > second then -- once a day
  for i = 1, 4 do call('PEXPIRE', KEYS[i], life) end
end
call('SET', KEYS[5], ARGV[4], 'PX', markLife)
return {1, messages, total}
