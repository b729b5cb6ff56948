-- ARGV: work, which this node has left behind itself. What nobody is at is taken back; replies with how much others are at.
local now, at = clock(), 0
for _, item in ipairs(ARGV) do
  local until_ = tonumber(redis.call('ZSCORE', work, item) or '0')
  if until_ >= now then
    at = at + 1
  else
    redis.call('ZREM', work, item)
    redis.call('HDEL', claim, item)
  end
end
return at
