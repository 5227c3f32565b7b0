/* A target for libFuzzer: bytes are read as options and calls; each answer is compared with what must hold. */
#include "layered_cache.h"

#include <stdio.h>
#include <stdlib.h>

#define HOLDS(what) \
    do { \
        if (!(what)) { \
            fprintf(stderr, "line %d: %s\n", __LINE__, #what); \
            abort(); \
        } \
    } while (0)

static const uint8_t *next_byte, *end_byte;
static int32_t *quotas; /* given to the cache, or NULL */

static int32_t byte(void) { return next_byte < end_byte ? *next_byte++ : 0; }

/* Small numbers, and now and then one that is far out. */
static int32_t number(void) {
    const int32_t found = byte();
    if (found == 255) return -1 - byte();
    return found == 254 ? INT32_MAX - byte() : found;
}

static int expected(const layered_cache_options *o, int32_t layer, const int32_t *ids, int32_t n) {
    int32_t i, k, quota;
    if (layer < 0 || layer >= o->layers) return LAYERED_CACHE_BAD_LAYER;
    quota = o->per_layer ? o->slots / o->layers + (layer < o->slots % o->layers) : o->slots;
    if (quotas != NULL) quota = quotas[layer];
    if (n > quota || n > o->experts) return LAYERED_CACHE_TOO_MANY;
    for (i = 0; i < n; i++) {
        if (ids[i] < 0 || ids[i] >= o->experts) return LAYERED_CACHE_BAD_EXPERT;
        for (k = 0; k < i; k++)
            if (ids[k] == ids[i]) return LAYERED_CACHE_TWICE;
    }
    return 0;
}

static void serve(layered_cache *c) {
    const layered_cache_options *o = &c->options;
    const int32_t layer = number(), n = byte() % 24;
    const uint64_t requests = c->requests, misses = c->misses;
    int32_t *ids = (int32_t *)malloc((size_t)n * sizeof *ids + 1), *slots = (int32_t *)malloc((size_t)n * sizeof *slots + 1);
    int32_t *before = (int32_t *)malloc((size_t)n * sizeof *before + 1);
    layered_cache_fill *fills = (layered_cache_fill *)malloc((size_t)n * sizeof *fills + 1);
    int32_t absent = 0, i, k;
    int code, loads;
    for (i = 0; i < n; i++) ids[i] = number();
    code = expected(o, layer, ids, n);
    for (i = 0; i < n; i++) absent += (before[i] = layered_cache_find(c, layer, ids[i])) < 0;
    loads = layered_cache_serve(c, layer, ids, n, slots, fills);
    if (code < 0) {
        HOLDS(loads == code);
        HOLDS(c->requests == requests && c->misses == misses);
        for (i = 0; i < n; i++) HOLDS(layered_cache_find(c, layer, ids[i]) == before[i]);
    } else {
        HOLDS(loads == absent);
        HOLDS(c->requests == requests + (uint64_t)n && c->misses == misses + (uint64_t)absent);
        for (i = 0; i < n; i++) {
            HOLDS(slots[i] >= 0 && slots[i] < o->slots && slots[i] == layered_cache_find(c, layer, ids[i]));
            HOLDS(before[i] < 0 || slots[i] == before[i]);
            for (k = 0; k < i; k++) HOLDS(slots[k] != slots[i]);
        }
        for (i = 0; i < loads; i++) {
            HOLDS(layered_cache_find(c, layer, fills[i].expert) == fills[i].slot);
            HOLDS(i == 0 || fills[i - 1].expert < fills[i].expert);
            if (fills[i].evicted >= 0) {
                const int32_t of = fills[i].evicted / o->experts, expert = fills[i].evicted % o->experts;
                HOLDS(of < o->layers && layered_cache_find(c, of, expert) < 0);
                HOLDS(!o->per_layer || of == layer);
            }
        }
    }
    free(ids);
    free(slots);
    free(before);
    free(fills);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    layered_cache c;
    layered_cache_options o;
    void *memory;
    size_t bytes;
    next_byte = data;
    end_byte = data + size;
    o.layers = number();
    o.experts = number();
    o.slots = number();
    o.per_layer = number() % 3;
    o.policy = number() % (LAYERED_CACHE_POLICIES + 1);
    o.half_life = number() % 65;
    quotas = NULL;
    if (byte() % 2 && o.layers > 0 && o.layers < 32) {
        int32_t i, rest = o.slots;
        quotas = (int32_t *)malloc((size_t)o.layers * sizeof *quotas);
        for (i = 0; i < o.layers; i++) {
            quotas[i] = i + 1 < o.layers || byte() == 1 ? number() : rest;
            rest = quotas[i] >= 0 && quotas[i] <= rest ? rest - quotas[i] : 0;
        }
    }
    o.quotas = quotas;
    bytes = layered_cache_bytes(&o);
    memory = malloc(bytes + 1);
    HOLDS(layered_cache_init(&c, &o, memory, bytes) == (bytes > 0 ? 0 : LAYERED_CACHE_BAD_OPTIONS));
    while (bytes > 0 && next_byte < end_byte) {
        const int32_t what = byte();
        if (what == 255)
            layered_cache_reset(&c);
        else if (what == 254)
            layered_cache_begin_round(&c);
        else
            serve(&c);
    }
    free(memory);
    free(quotas);
    return 0;
}
