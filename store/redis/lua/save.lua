-- ARGV: id, node, room, name, whether the place of a user whose node is leaving may be taken over ("1").
-- Replies with nothing where the id exists, or with the place in the order and the id whose place it was ("" for none).
local id, node, room, name = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
if redis.call('HEXISTS', ids, id) == 1 then
  return {}
end
local seq, was = nil, ''
if ARGV[5] == '1' then
  for _, from in ipairs(redis.call('HKEYS', leaving)) do
    if from ~= node and not seq then
      local begin = sized(from) .. sized(room) .. sized(name)
      local found = redis.call('ZRANGEBYLEX', owners, '[' .. begin, '+', 'LIMIT', 0, 1)[1]
      if found and string.sub(found, 1, #begin) == begin then
        local other = string.sub(found, #begin + 1)
        local record = redis.call('HGET', ids, other)
        if record then
          seq, was = string.sub(record, 1, 16), other
          remove(other, fields(record))
        end
      end
    end
  end
end
seq = seq or following()
add(id, seq, node, room, name)
keep()
return {seq, was}
