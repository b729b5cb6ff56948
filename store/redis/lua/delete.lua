-- ARGV: ids. Replies with room and name of the last one that was there, or with nothing.
local gone = {}
for _, id in ipairs(ARGV) do
  local record = redis.call('HGET', ids, id)
  if record then
    local seq, node, room, name = fields(record)
    remove(id, seq, node, room, name)
    gone = {room, name}
  end
end
return gone
