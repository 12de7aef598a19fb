-- Checks everything that one request is counted by, and charges all of it or nothing. Time is this server's, in
-- microseconds; lengths of smooth limits are in nanoseconds. Numbers below 2^53 are exact. The keys are those of the
-- limits, and then, of each limit that something is given back to, where the number of what was taken back stands.
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000000 + tonumber(clock[2])
local CELLS, LEASED_PART = 61, 8
-- For twice as long as anybody tells it again.
local NOTE_MS = 60000
local position = 0
local refused, spoilt, limits = false, {}, {}

local function word()
  position = position + 1
  return ARGV[position]
end

local function number()
  return tonumber(word())
end

local function text(value)
  return string.format('%.0f', value)
end

-- What may be lent of a limit with so many left.
local function lease(limit, room)
  return math.max(0, math.min(limit.lease_max, math.floor(room / LEASED_PART)))
end

-- What is given back is taken once: what comes again has a number that was seen.
local note

local function take_back(limit, number)
  if limit.back == 0 then
    return
  end
  note = note + 1
  if number <= tonumber(redis.call('GET', KEYS[note]) or '0') then
    limit.back = 0
  else
    redis.call('SET', KEYS[note], text(number), 'PX', NOTE_MS)
  end
end

-- A window: a field for each cell that holds any, by its number.
local window = {}

local function add(limit, cell, count)
  if count == 0 then
    return
  end
  limit.cells[cell] = (limit.cells[cell] or 0) + count
  limit.total = limit.total + count
  redis.call('HINCRBY', limit.key, text(cell), text(count))
  limit.is_changed = true
end

function window.read(limit)
  local stored = redis.call('HGETALL', limit.key)
  limit.cells, limit.total, limit.newest = {}, 0, math.floor(now / limit.b)
  for place = 1, #stored, 2 do
    limit.newest = math.max(limit.newest, tonumber(stored[place]))
  end
  local gone = {}
  for place = 1, #stored, 2 do
    local cell, count = tonumber(stored[place]), tonumber(stored[place + 1])
    if cell + CELLS <= limit.newest then
      gone[#gone + 1] = stored[place]
    else
      limit.cells[cell] = count
      limit.total = limit.total + count
    end
  end
  if #gone > 0 then
    redis.call('HDEL', limit.key, unpack(gone))
  end
  local back = math.min(limit.back, limit.cells[limit.back_at] or 0)
  if back > 0 then
    add(limit, limit.back_at, -back)
  end
  -- The larger of what is counted here and there; what lacks is taken for the newest.
  local lacking = (limit.known[1] or 0) - limit.total
  for place = 2, #limit.known, 2 do
    local count = math.min(lacking, limit.known[place + 1])
    if count > 0 then
      local cell = math.floor((now - limit.known[place]) / limit.b)
      add(limit, math.max(cell, limit.newest - CELLS + 1), count)
      lacking = lacking - count
    end
  end
end

function window.fits(limit)
  return limit.total + limit.cost <= limit.a
end

function window.charge(limit)
  limit.leased = lease(limit, limit.a - limit.total - limit.cost)
  add(limit, limit.newest, limit.cost + limit.leased)
end

function window.told(limit)
  if limit.is_changed then
    redis.call('PEXPIRE', limit.key, text(math.ceil(((limit.newest + CELLS) * limit.b - now) / 1000)))
  end
  local told = {limit.newest, (limit.newest + 1) * limit.b - now, limit.newest}
  for cell, count in pairs(limit.cells) do
    if count > 0 then
      told[#told + 1] = cell
      told[#told + 1] = count
    end
  end
  return told
end

-- Requests at a distance (a), which may run ahead (b): how far they did (d) at a time (t).
local distance = {}

function distance.read(limit)
  local stored = redis.call('HMGET', limit.key, 't', 'd')
  limit.at = math.max(now, tonumber(stored[1] or now))
  local passed = limit.at - tonumber(stored[1] or now)
  limit.debt = math.max(0, tonumber(stored[2] or 0) - passed * 1000)
  limit.debt = math.max(0, limit.debt - limit.back * limit.a)
  limit.debt = math.max(limit.debt, limit.known[1] or 0)
  limit.is_changed = limit.back > 0 or #limit.known > 0
  limit.charged = math.min(limit.cost * limit.a, limit.b)
end

function distance.fits(limit)
  return limit.debt + limit.charged <= limit.b
end

function distance.charge(limit)
  limit.debt = limit.debt + limit.charged
  limit.is_changed = true
end

function distance.told(limit)
  if limit.is_changed then
    redis.call('HSET', limit.key, 't', text(limit.at), 'd', text(limit.debt))
    redis.call('PEXPIRE', limit.key, text(math.ceil(limit.debt / 1000000) + 1))
  end
  return {0, 0, limit.debt}
end

-- So many (c) until a time (e), then anew. The limit names that time and the next (b, c).
local calendar = {}

function calendar.read(limit)
  local stored = redis.call('HMGET', limit.key, 'e', 'c')
  limit.ends, limit.total = tonumber(stored[1] or 0), tonumber(stored[2] or 0)
  if now >= limit.ends then
    limit.total = 0
    limit.ends = limit.b
    if now >= limit.b then
      limit.ends = math.max(limit.c, now + limit.c - limit.b)
    end
  end
  if limit.back_at == limit.ends then
    limit.total = math.max(0, limit.total - limit.back)
  end
  if limit.known[1] == limit.ends then
    limit.total = math.max(limit.total, limit.known[2])
  end
  limit.is_changed = limit.back > 0 or #limit.known > 0
end

function calendar.fits(limit)
  return limit.total + limit.cost <= limit.a
end

function calendar.charge(limit)
  limit.leased = lease(limit, limit.a - limit.total - limit.cost)
  limit.total = limit.total + limit.cost + limit.leased
  limit.is_changed = true
end

function calendar.told(limit)
  if limit.is_changed then
    redis.call('HSET', limit.key, 'e', text(limit.ends), 'c', text(limit.total))
    redis.call('PEXPIRE', limit.key, text(math.ceil((limit.ends - now) / 1000)))
  end
  -- What is lent for longer would be missed.
  return {limit.ends, math.min(10000000, limit.ends - now), limit.ends, limit.total}
end

local kinds = {w = window, s = distance, c = calendar}

local count = number()
note = count
for place = 1, count do
  local limit = {key = KEYS[place], kind = kinds[word()], quota = word(), is_shadow = word() == '1', leased = 0}
  limit.a, limit.b, limit.c = number(), number(), number()
  limit.cost, limit.lease_max, limit.back_at, limit.back = number(), number(), number(), number()
  take_back(limit, number())
  limit.known = {}
  for known = 1, number() do
    limit.known[known] = number()
  end
  limit.kind.read(limit)
  limit.fits = limit.kind.fits(limit)
  if not limit.fits then
    spoilt[limit.quota] = true
    refused = refused or not limit.is_shadow
  end
  limits[place] = limit
end

local answer = {refused and 0 or 1, now}
for _, limit in ipairs(limits) do
  local is_charged = not refused and not spoilt[limit.quota]
  if is_charged then
    limit.kind.charge(limit)
  end
  local told = limit.kind.told(limit)
  table.insert(told, 1, limit.leased)
  table.insert(told, 1, is_charged and 1 or 0)
  table.insert(told, 1, limit.fits and 1 or 0)
  answer[#answer + 1] = told
end
return answer
