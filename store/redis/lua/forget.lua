-- ARGV: node, ids. Removes those that are users of this node.
for i = 2, #ARGV do
  local record = redis.call('HGET', ids, ARGV[i])
  if record then
    local seq, node, room, name = fields(record)
    if node == ARGV[1] then
      remove(ARGV[i], seq, node, room, name)
    end
  end
end
return 0
