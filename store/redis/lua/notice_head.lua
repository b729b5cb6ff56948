-- A notice is a field of a hash, its key; the value is how many there are, a space, and the rest.
local function counted(value)
  local space = string.find(value, ' ', 1, true)
  return tonumber(string.sub(value, 1, space - 1)), string.sub(value, space)
end

local function change(hash, field, by)
  local value = redis.call('HGET', hash, field)
  if not value then
    return false
  end
  local n, rest = counted(value)
  if n + by > 0 then
    redis.call('HSET', hash, field, string.format('%.0f', n + by) .. rest)
  else
    redis.call('HDEL', hash, field)
  end
  redis.call('PEXPIRE', hash, life)
  return true
end
