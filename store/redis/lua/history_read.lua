-- Reads a page of a room.
-- KEYS: heads, bodies, mark
-- ARGV: 'last' or 'before', limit, id ('': none), time as heads have it ('': none)
-- Returns the mark, how the place was found ('last', 'id', 'time' or '': not at all), how many messages are behind the
-- page, how many could not be read, and head and body of each message, newest first.
local chunk = 128
local whole = '^' .. string.rep('%d', 16) .. ' (%S+) %d+ '
local limit, id, time = tonumber(ARGV[2]), ARGV[3], ARGV[4]
local mark = tonumber(redis.call('GET', KEYS[3]) or 0) or 0
local n = redis.call('LLEN', KEYS[1])
local stop, found = n, 'last'

if ARGV[1] == 'before' then
  local at, older = n, nil
  found = ''
  while at > 0 and found == '' do
    local from = math.max(0, at - chunk)
    local heads = redis.call('LRANGE', KEYS[1], from, at - 1)
    for i = #heads, 1, -1 do
      local head = heads[i]
      if id ~= '' and string.find(head, id, 17, true) and string.match(head, '^%d+ %S+ %d+ (.*)$') == id then
        stop, found = from + i - 1, 'id'
        break
      end
      if not older and time ~= '' and string.sub(head, 1, 16) < time and string.find(head, whole) then
        older = from + i
        if id == '' then
          stop, found = older, 'time'
          break
        end
      end
    end
    at = from
  end
  if found == '' and time ~= '' then
    stop, found = older or 0, 'time'
  end
  if found == '' then return {mark, '', 0, 0} end
end

local reply = {mark, found, n - stop, 0}
local got, skipped = 0, 0
local at = stop
while at > 0 and got < limit do
  local from = math.max(0, at - math.min(chunk, limit - got))
  local heads = redis.call('LRANGE', KEYS[1], from, at - 1)
  local good, tokens = {}, {}
  for i = #heads, 1, -1 do
    local token = string.match(heads[i], whole)
    if token then
      good[#good + 1], tokens[#tokens + 1] = heads[i], token
    else
      skipped = skipped + 1
    end
  end
  if #tokens > 0 then
    local bodies = redis.call('HMGET', KEYS[2], unpack(tokens))
    for i, head in ipairs(good) do
      if bodies[i] then
        got = got + 1
        reply[#reply + 1], reply[#reply + 2] = head, bodies[i]
      else
        skipped = skipped + 1
      end
    end
  end
  at = from
end
reply[4] = skipped
return reply
