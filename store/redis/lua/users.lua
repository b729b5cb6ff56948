-- A user is in three keys:
--   ids     id -> seq node room name
--   rooms   room seq name id         all scores are 0: the order is that of the bytes
--   owners  node room name id
-- seq is 16 digits: the place in the order of login.
local function add(id, seq, node, room, name)
  redis.call('HSET', ids, id, seq .. sized(node) .. sized(room) .. name)
  redis.call('ZADD', rooms, 0, sized(room) .. seq .. sized(name) .. id)
  redis.call('ZADD', owners, 0, sized(node) .. sized(room) .. sized(name) .. id)
end

local function fields(record)
  local node, at = unsized(record, 17)
  local room, last = unsized(record, at)
  return string.sub(record, 1, 16), node, room, string.sub(record, last)
end

local function remove(id, seq, node, room, name)
  redis.call('HDEL', ids, id)
  redis.call('ZREM', rooms, sized(room) .. seq .. sized(name) .. id)
  redis.call('ZREM', owners, sized(node) .. sized(room) .. sized(name) .. id)
end

local function keep()
  redis.call('PEXPIRE', ids, life)
  redis.call('PEXPIRE', rooms, life)
  redis.call('PEXPIRE', owners, life)
  redis.call('PEXPIRE', seqs, life)
end

-- following is the next place in the order. It counts, and never falls behind the clock: should Redis lose the counter, later
-- logins still come after earlier ones.
local function following()
  local _, seq = clock()
  local last = tonumber(redis.call('GET', seqs) or '0')
  if seq <= last then
    seq = last + 1
  end
  local text = string.format('%016.0f', seq)
  redis.call('SET', seqs, text)
  return text
end
