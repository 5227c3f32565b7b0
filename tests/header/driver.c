/* Plays caches as told on the standard input, in 32-bit words, and answers on the standard output.
 *
 * 0 layers experts slots per_layer policy half_life count quota...: a new cache -> 0 or an error
 * 1 layer n id...: serve -> loads or an error; then the n slots; then expert, slot, evicted of each load
 * 2: reset.  3: begin a round.  4 layer expert: find -> slot
 * All memory is of the exact size, so that a sanitizer sees what goes beyond. */
#include "layered_cache.h"

#include <stdio.h>
#include <stdlib.h>

static int32_t word(void) {
    int32_t found;
    if (fread(&found, sizeof found, 1, stdin) != 1) exit(feof(stdin) ? 0 : 3);
    return found;
}

static void say(const int32_t *words, size_t count) {
    if (fwrite(words, sizeof *words, count, stdout) != count) exit(3);
}

static void *exactly(size_t bytes) {
    void *memory = malloc(bytes > 0 ? bytes : 1);
    if (memory == NULL) exit(3);
    return memory;
}

/* As many words as the first one says; NULL for none. */
static int32_t *quotas(void) {
    const int32_t count = word();
    int32_t *found = count > 0 ? (int32_t *)exactly((size_t)count * sizeof *found) : NULL, i;
    for (i = 0; i < count; i++) found[i] = word();
    return found;
}

static void serve(layered_cache *cache) {
    const int32_t layer = word(), n = word();
    const size_t room = n > 0 ? (size_t)n : 0;
    int32_t *ids = (int32_t *)exactly(room * sizeof *ids), *slots = (int32_t *)exactly(room * sizeof *slots);
    layered_cache_fill *fills = (layered_cache_fill *)exactly(room * sizeof *fills);
    int32_t loads, i;
    for (i = 0; i < n; i++) ids[i] = word();
    loads = layered_cache_serve(cache, layer, ids, n, slots, fills);
    say(&loads, 1);
    if (loads >= 0) say(slots, room);
    for (i = 0; i < loads; i++) {
        const int32_t fill[3] = {fills[i].expert, fills[i].slot, fills[i].evicted};
        say(fill, 3);
    }
    free(ids);
    free(slots);
    free(fills);
}

int main(void) {
    layered_cache cache;
    void *memory = NULL;
    for (;;) {
        const int32_t what = word();
        int32_t answer;
        if (what == 0) {
            layered_cache_options options;
            size_t bytes;
            int32_t *given;
            options.layers = word();
            options.experts = word();
            options.slots = word();
            options.per_layer = word();
            options.policy = word();
            options.half_life = word();
            options.quotas = given = quotas();
            free(memory);
            bytes = layered_cache_bytes(&options);
            memory = exactly(bytes);
            answer = layered_cache_init(&cache, &options, memory, bytes);
            if (answer == 0 && layered_cache_init(&cache, &options, memory, bytes - 1) != LAYERED_CACHE_BAD_MEMORY)
                exit(4);
            free(given);
            say(&answer, 1);
        } else if (what == 1) {
            serve(&cache);
        } else if (what == 2) {
            layered_cache_reset(&cache);
        } else if (what == 3) {
            layered_cache_begin_round(&cache);
        } else {
            const int32_t layer = word(), expert = word();
            answer = layered_cache_find(&cache, layer, expert);
            say(&answer, 1);
        }
    }
}
