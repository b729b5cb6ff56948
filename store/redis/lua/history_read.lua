-- Reads a page of a room.
-- KEYS: heads, bodies, mark
-- ARGV: 'last' or 'before', limit, id ('': none), time as heads have it ('': none)
-- Returns the mark, how the place was found ('last', 'id', 'time' or '': not at all), how many messages are behind the
-- page, and then the messages, newest first: lists of heads, each followed by the list of their bodies.
local call, sub = redis.call, string.sub
local chunk = 128
local limit, id, time = tonumber(ARGV[2]), ARGV[3], ARGV[4]
local mark = tonumber(call('GET', KEYS[3]) or 0) or 0
local n = call('LLEN', KEYS[1])
local stop, found = n, 'last'

if ARGV[1] == 'before' then
  local whole = '^' .. string.rep('%d', 16) .. ' ' .. string.rep('[%w_-]', 21) .. ' %d+ '
  local at, older = n, nil
  found = ''
  while at > 0 and found == '' do
    local from = math.max(0, at - chunk)
    local heads = call('LRANGE', KEYS[1], from, at - 1)
    for i = #heads, 1, -1 do
      local head = heads[i]
      if id ~= '' and string.find(head, id, 40, true) and string.match(head, whole .. '(.*)$') == id then
        stop, found = from + i - 1, 'id'
        break
      end
      if not older and time ~= '' and sub(head, 1, 16) < time and string.find(head, whole) then
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
end

local reply = {mark, found, n - stop}
local got, at = 0, stop
if found == '' then at = 0 end
while at > 0 and got < limit do
  local from = math.max(0, at - math.min(chunk, limit - got))
  local heads, tokens = {}, {}
  local some = call('LRANGE', KEYS[1], from, at - 1)
  for i = #some, 1, -1 do
    heads[#heads + 1] = some[i]
    tokens[#tokens + 1] = sub(some[i], 18, 38)
  end
  local bodies = call('HMGET', KEYS[2], unpack(tokens))
  for i = 1, #heads do
    if bodies[i] then got = got + 1 end
  end
  reply[#reply + 1], reply[#reply + 2] = heads, bodies
  at = from
end
return reply
