-- Takes all charges or none.
--
-- KEYS: the reservation, then a counter for each charge.
-- ARGV: window (µs), id of the reservation, its lease (ms), then kind, amount and limit of each charge.
-- Returns {1}, or {0, charge from 0, wait in µs} with a wait of -1 for one that is above its limit.

local id, lease = ARGV[2], tonumber(ARGV[3])

-- How long until a call may have ended, when nobody tells.
local CALLS_END = 100000

-- How long until so much of a window has left.
local function until_gone(parts, excess)
    local gone = 0
    for _, one in ipairs(parts) do
        gone = gone + one.amount
        if gone >= excess then
            return leaves(one.at) - now
        end
    end
    return window
end

-- How long the charge does not fit: 0 when it does.
local function wait_for(kind, key, amount, limit)
    if amount > limit then
        return -1
    end
    local room = limit - amount
    if kind == 'w' then
        local sum, parts = of_window(key)
        if sum <= room then
            return 0
        end
        return until_gone(parts, sum - room)
    elseif used(kind, key) <= room then
        return 0
    elseif kind == 'l' then
        return CALLS_END
    end
    return (today + 1) * DAY - now
end

local charges = {}
for i = 2, #KEYS do
    local at = 4 + (i - 2) * 3
    charges[#charges + 1] = {
        kind = ARGV[at],
        key = KEYS[i],
        amount = tonumber(ARGV[at + 1]),
        limit = tonumber(ARGV[at + 2]),
    }
end

local worst, longest
for i, charge in ipairs(charges) do
    local wait = wait_for(charge.kind, charge.key, charge.amount, charge.limit)
    if wait ~= 0 and longest ~= -1 and (not worst or wait == -1 or wait > longest) then
        worst, longest = i - 1, wait
    end
end
if worst then
    return { 0, worst, longest }
end

for i, charge in ipairs(charges) do
    local at = 0
    if charge.kind == 'w' then
        local all = redis.call('HKEYS', charge.key)
        for _, old in ipairs(all) do
            if leaves(tonumber(old)) <= now then
                redis.call('HDEL', charge.key, old)
            end
        end
        add_to_window(charge.key, charge.amount)
        at = this_part
    elseif charge.kind == 'l' then
        redis.call('ZREMRANGEBYSCORE', charge.key, '-inf', text(now_ms))
        for place = 1, charge.amount do
            redis.call('ZADD', charge.key, text(now_ms + lease), id .. '#' .. place)
        end
        redis.call('PEXPIRE', charge.key, text(lease))
    else
        set_spent(charge.key, spent(charge.key) + charge.amount)
        at = today
    end
    redis.call('HSET', KEYS[1], i, text(at) .. ' ' .. text(charge.amount))
end
redis.call('PEXPIRE', KEYS[1], text(lease))
return { 1 }
