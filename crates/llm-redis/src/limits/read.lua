-- How much of each counter is used or reserved.
--
-- KEYS: the counters. ARGV: window (µs), then the kind of each counter.

local all = {}
for i, key in ipairs(KEYS) do
    all[i] = used(ARGV[1 + i], key)
end
return all
