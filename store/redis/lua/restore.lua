-- ARGV: node, then id, room, name and seq ("" where it never had one) of each user that is to be there.
-- Replies with the seq of each, "" for one that was left out: another node has the id. A node that is leaving restores
-- nothing, for its users may have been taken over.
if redis.call('HEXISTS', leaving, ARGV[1]) == 1 then
  return {}
end
local node, seqOf = ARGV[1], {}
for i = 2, #ARGV, 4 do
  local id, room, name, seq = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
  local record = redis.call('HGET', ids, id)
  local isSeq, isNode, isRoom, isName
  if record then
    isSeq, isNode, isRoom, isName = fields(record)
  end
  if record and isNode ~= node then
    seq = ''
  elseif record and isRoom == room and isName == name then
    seq = isSeq
  else
    if record then
      remove(id, isSeq, isNode, isRoom, isName)
    end
    if seq == '' then
      seq = following()
    elseif seq > (redis.call('GET', seqs) or '') then
      redis.call('SET', seqs, seq)
    end
    add(id, seq, node, room, name)
  end
  seqOf[#seqOf + 1] = seq
end
keep()
return seqOf
