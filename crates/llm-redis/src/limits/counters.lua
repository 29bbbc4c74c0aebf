-- What the scripts have in common: the time of the server, and the three kinds of counter.
--
-- w  a sliding window: a hash from sub-window to amount. As service_guards::SlidingWindow: a sixtieth of the window each,
--    and an amount leaves when its whole sub-window has left.
-- l  places that are taken: a sorted set of names by the time at which they are given back at the latest, in ms.
-- m  money of a day: a hash with the day and the sum.
--
-- Times are in microseconds since 1970. Numbers stay below 2^53, and are written without an exponent.

local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000000 + tonumber(clock[2])
local now_ms = math.floor(now / 1000)
local DAY = 86400000000
local today = math.floor(now / DAY)

local window = tonumber(ARGV[1])
local part = math.ceil(window / 60)
local this_part = math.floor(now / part)

local function text(number)
    return string.format('%.0f', number)
end

local function leaves(at)
    return (at + 1) * part + window
end

-- The sum of a window, and its sub-windows, oldest first.
local function of_window(key)
    local all = redis.call('HGETALL', key)
    local sum, parts = 0, {}
    for i = 1, #all, 2 do
        local at, amount = tonumber(all[i]), tonumber(all[i + 1])
        if leaves(at) > now then
            sum = sum + amount
            parts[#parts + 1] = { at = at, amount = amount }
        end
    end
    table.sort(parts, function(a, b) return a.at < b.at end)
    return sum, parts
end

local function add_to_window(key, amount)
    if amount > 0 then
        redis.call('HINCRBY', key, text(this_part), text(amount))
        redis.call('PEXPIRE', key, text(math.ceil((window + 2 * part) / 1000)))
    end
end

local function places(key)
    return redis.call('ZCOUNT', key, '(' .. text(now_ms), '+inf')
end

local function spent(key)
    local known = redis.call('HMGET', key, 'day', 'sum')
    if known[1] == text(today) then
        return tonumber(known[2])
    end
    return 0
end

local function set_spent(key, sum)
    redis.call('HSET', key, 'day', text(today), 'sum', text(sum))
    redis.call('PEXPIRE', key, text(math.ceil(2 * DAY / 1000)))
end

local function used(kind, key)
    if kind == 'w' then
        local sum = of_window(key)
        return sum
    elseif kind == 'l' then
        return places(key)
    end
    return spent(key)
end
