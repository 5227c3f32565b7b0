/* misses.c: the misses of each policy of layered_cache.h on a trace, as `layered-paging export events` writes it.
 * cc -std=c99 -O2 misses.c -o misses && ./misses LAYERS EXPERTS SLOTS PER_LAYER < trace.txt */
#include "layered_cache.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
int main(int argc, char **argv) {
    static char line[1 << 20], *next, *end;
    layered_cache_options o = {0, 0, 0, 0, 0, 0, NULL};
    int32_t *words = NULL, *const given[4] = {&o.layers, &o.experts, &o.slots, &o.per_layer};
    size_t count = 0, room = 0, head; /* words: layer, number of experts, experts; or -1 where a session begins */
    if (argc != 5) return fprintf(stderr, "usage: %s LAYERS EXPERTS SLOTS PER_LAYER < trace.txt\n", argv[0]), 2;
    for (int i = 0; i < 4; i++) *given[i] = (int32_t)strtol(argv[i + 1], &end, 10), *given[i] = *end == 0 ? *given[i] : -1;
    for (int number = 1; head = count, next = fgets(line, sizeof line, stdin); number++) {
        int good = strchr(line, '\n') != NULL || feof(stdin);
        if (count + sizeof line > room && !(words = realloc(words, (room = 2 * room + sizeof line) * sizeof *words))) return 1;
        for (long word = strtol(next, &end, 10); end != next; next = end, word = strtol(next, &end, 10)) {
            good = good && word >= -1 && word <= INT32_MAX, words[count++] = (int32_t)word;
            if (count == head + 1 && word != -1) words[count++] = 0;
        }
        good = good && next[strspn(next, " \t\r\n")] == 0 && count > head && (words[head] != -1 || count == head + 1);
        if (!good) return fprintf(stderr, "misses: line %d must be a layer and its experts, or -1\n", number), 1;
        if (words[head] != -1) words[head + 1] = (int32_t)(count - head - 2);
    }
    if (count == 0) return fputs("misses: no line was read\n", stderr), 1;
    for (double lru = 0; o.policy < LAYERED_CACHE_POLICIES; o.policy++) {
        layered_cache c;
        const size_t bytes = layered_cache_bytes(&o);
        layered_cache_fill *fills = malloc((size_t)(o.experts > 0 ? o.experts : 1) * sizeof *fills);
        int error = layered_cache_init(&c, &o, malloc(bytes), bytes), events = 0;
        const clock_t start = clock();
        for (size_t at = 0; at < count && error >= 0; at += words[at] < 0 ? 1 : (size_t)words[at + 1] + 2)
            if (words[at] < 0) layered_cache_reset(&c);
            else error = layered_cache_serve(&c, words[at], words + at + 2, words[at + 1], NULL, fills), events++;
        const double each = 1e9 * (double)(clock() - start) / CLOCKS_PER_SEC / (events ? events : 1);
        if (error < 0) return fprintf(stderr, "misses: event %d: %s\n", events, layered_cache_message(error)), 1;
        printf("%-14s %10d misses of %d, %6.1f ns per event, %5.2f x lru, %d bytes\n", layered_cache_name(o.policy), (int)c.misses,
               (int)c.requests, each, each / (lru = o.policy == LAYERED_CACHE_LRU ? each : lru), (int)(bytes + sizeof c));
    }
}
