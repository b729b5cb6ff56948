-- The keys all nodes share, in the order of (*keys).all.
local ids, rooms, owners, seqs = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local lease, run, leaving, version = KEYS[5], KEYS[6], KEYS[7], KEYS[8]
local seen, dead, work, claim = KEYS[9], KEYS[10], KEYS[11], KEYS[12]

-- clock is Redis' time in milliseconds, and in microseconds.
local function clock()
  local t = redis.call('TIME')
  return tonumber(t[1]) * 1000 + math.floor(tonumber(t[2]) / 1000), tonumber(t[1]) * 1000000 + tonumber(t[2])
end

-- sized writes a text behind its length; unsized reads one at a place and says where the next begins.
local function sized(s)
  return #s .. ':' .. s
end
local function unsized(s, at)
  local _, colon, n = string.find(s, '^(%d+):', at)
  return string.sub(s, colon + 1, colon + n), colon + n + 1
end
