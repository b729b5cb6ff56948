-- ARGV: id, node, room, name. Makes a user one of the node, in its place; one that is not there comes last.
-- Replies with the place in the order.
local id, node, room, name = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local record, seq = redis.call('HGET', ids, id), nil
if record then
  seq = string.sub(record, 1, 16)
  remove(id, fields(record))
end
seq = seq or following()
add(id, seq, node, room, name)
keep()
return {seq}
