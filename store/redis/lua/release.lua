-- ARGV: node, how many. Takes that many users of a node out, unless it is registered: then it lives. Replies with how many
-- were taken and seq, id, room and name of each; "0" when nothing is left.
local node = ARGV[1]
if redis.call('HEXISTS', run, node) == 1 then
  return {'0'}
end
local begin = sized(node)
local members = redis.call('ZRANGEBYLEX', owners, '[' .. begin, '[' .. begin .. '\255', 'LIMIT', 0, ARGV[2])
local reply = {tostring(#members)}
for _, member in ipairs(members) do
  local room, at = unsized(member, #begin + 1)
  local name, last = unsized(member, at)
  local id = string.sub(member, last)
  local record = redis.call('HGET', ids, id)
  if record then
    local seq, owner = fields(record)
    if owner == node then
      remove(id, seq, node, room, name)
      for _, text in ipairs({seq, id, room, name}) do
        reply[#reply + 1] = text
      end
    end
  end
  redis.call('ZREM', owners, member)
end
return reply
