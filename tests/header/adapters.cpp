// Plays the adapters of the documentation beside the header: both must do the same.
#include "layered_cache.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "adapters.inc"  // the blocks of the page

static uint32_t seed = 1;

static int below(int n) {
    seed = seed * 1664525u + 1013904223u;
    return (int)((seed >> 8) % (uint32_t)n);
}

static void check(bool holds, const char *what) {
    if (!holds) {
        std::fprintf(stderr, "%s\n", what);
        std::exit(1);
    }
}

int main() {
    const int layers = 5, experts = 9, slots = 14;
    const layered_cache_options options = {layers, experts, slots, 0, LAYERED_CACHE_LLRU, 0, nullptr};
    std::vector<int64_t> memory(layered_cache_bytes(&options) / 8 + 1);
    layered_cache cache;
    planned_cache planned;
    std::vector<stamped_slot> stamped;
    long evictions = 0;
    check(layered_cache_init(&cache, &options, memory.data(), memory.size() * 8) == 0, "init");
    check(planned.init(layers, experts, slots, LAYERED_CACHE_LLRU), "init of the plan");
    for (int round = 0; round < 2000; round++)
        for (int layer = 0; layer < layers; layer++) {
            std::vector<int32_t> batch, ids, where(experts);
            for (int i = 0; i < 4; i++) batch.push_back(std::min(below(experts), below(experts)));
            ids = batch;
            std::sort(ids.begin(), ids.end());
            ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
            std::vector<layered_cache_fill> fills(experts), told;
            const int loads = layered_cache_serve(&cache, layer, ids.data(), (int)ids.size(), where.data(), fills.data());
            std::vector<int32_t> given = batch;
            int hits = -1;
            check(planned.plan(layer, given.data(), (int)given.size(), told, hits), "the plan fits");
            check((int)told.size() == loads && hits + loads == (int)ids.size(), "as many loads");
            for (int i = 0; i < loads; i++)
                check(told[i].expert == fills[i].expert && told[i].slot == fills[i].slot, "the same loads");
            for (size_t i = 0; i < batch.size(); i++)
                check(given[i] == layered_cache_find(&cache, layer, batch[i]), "ids became slots");
            // the loop over slots: uses first, then victims
            for (stamped_slot &s : stamped)
                if (s.layer == layer && std::count(ids.begin(), ids.end(), s.expert)) s.round = round;
            for (int i = 0; i < loads; i++) {
                const stamped_slot fresh = {layer, fills[i].expert, round};
                if ((int)stamped.size() < slots) {
                    check(fills[i].slot == (int)stamped.size(), "the next free slot");
                    stamped.push_back(fresh);
                    continue;
                }
                const int victim = stamped_victim(stamped.data(), slots, round, layer, layers);
                check(victim == fills[i].slot, "the same victim");
                stamped[victim] = fresh;
                evictions++;
            }
        }
    std::vector<int32_t> many(experts);
    std::vector<layered_cache_fill> told;
    int hits = 0;
    planned_cache small;
    check(small.init(layers, experts, 3, LAYERED_CACHE_LRU), "init");
    for (int e = 0; e < experts; e++) many[e] = e;
    check(!small.plan(0, many.data(), experts, told, hits), "what does not fit is refused");
    std::printf("%ld evictions\n", evictions);
    return evictions > 1000 ? 0 : 1;
}
