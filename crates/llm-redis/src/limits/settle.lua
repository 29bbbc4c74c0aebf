-- Replaces what a reservation took by what was used. Does nothing the second time, and for one that was never made.
--
-- KEYS: the reservation, then a counter for each charge.
-- ARGV: window (µs), id of the reservation, then kind and actual amount of each charge.

local id = ARGV[2]

local taken = {}
local saved = redis.call('HGETALL', KEYS[1])
for i = 1, #saved, 2 do
    local at, amount = string.match(saved[i + 1], '^(%d+) (%d+)$')
    taken[tonumber(saved[i])] = { at = tonumber(at), amount = tonumber(amount) }
end
redis.call('DEL', KEYS[1])

local function settle_window(key, one, actual)
    if actual >= one.amount then
        add_to_window(key, actual - one.amount)
    elseif redis.call('HEXISTS', key, text(one.at)) == 1 then
        local left = redis.call('HINCRBY', key, text(one.at), text(actual - one.amount))
        if left <= 0 then
            redis.call('HDEL', key, text(one.at))
        end
    end
end

local function settle_money(key, one, actual)
    -- What was too much yesterday is no money for today.
    if actual > one.amount or one.at == today then
        set_spent(key, math.max(0, spent(key) + actual - one.amount))
    end
end

for i, one in pairs(taken) do
    local key, kind, actual = KEYS[i + 1], ARGV[1 + i * 2], tonumber(ARGV[2 + i * 2])
    if kind == 'w' then
        settle_window(key, one, actual)
    elseif kind == 'l' then
        for place = 1, one.amount do
            redis.call('ZREM', key, id .. '#' .. place)
        end
    else
        settle_money(key, one, actual)
    end
end
return #saved
