-- KEYS: all. A ticket T is the key BASEt:T with its user's id behind the 43 characters of the user's key, U; all and BASEu:U
-- have the tickets by the time they end, in microseconds, no two of which are the same. ARGV[1] is BASE.
local all, base = KEYS[1], ARGV[1]

local function drop(ticket)
  local value = redis.call('GET', base .. 't:' .. ticket)
  if value then
    redis.call('ZREM', base .. 'u:' .. string.sub(value, 1, 43), ticket)
    redis.call('DEL', base .. 't:' .. ticket)
  end
  redis.call('ZREM', all, ticket)
end
