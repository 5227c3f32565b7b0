/* misses.c: the misses of each policy of layered_cache.h on a trace, as `layered-paging export events` writes it.
 * cc -std=c99 -O2 misses.c -o misses && ./misses LAYERS EXPERTS SLOTS PER_LAYER < trace.txt */
#include "layered_cache.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

int main(int argc, char **argv) {
    static char line[1 << 16];
    layered_cache_options o = {0, 0, 0, 0, 0, 0, NULL};
    int32_t *words = NULL;
    size_t count = 0, room = 0;
    double lru = 0;
    for (int i = 1; i < argc && i < 5; i++) (&o.layers)[i - 1] = atoi(argv[i]);
    while (fgets(line, sizeof line, stdin)) { /* layer, number of experts, experts; or -1 where a session begins */
        const size_t head = count;
        char *at = line, *end;
        if (count + sizeof line > room && !(words = realloc(words, (room = 2 * room + sizeof line) * sizeof *words))) return 1;
        for (long word = strtol(at, &end, 10); end != at; at = end, word = strtol(at, &end, 10)) {
            words[count++] = (int32_t)word;
            if (count == head + 1 && word >= 0) words[count++] = 0;
        }
        if (count > head + 1) words[head + 1] = (int32_t)(count - head - 2);
    }
    for (o.policy = 0; o.policy < LAYERED_CACHE_POLICIES; o.policy++) {
        layered_cache c;
        const size_t bytes = layered_cache_bytes(&o);
        layered_cache_fill *fills = malloc((size_t)o.experts * sizeof *fills);
        int32_t *slots = malloc((size_t)o.experts * sizeof *slots), n = 0;
        int error = layered_cache_init(&c, &o, malloc(bytes), bytes), events = 0;
        const clock_t start = clock();
        for (size_t at = 0; at < count && error >= 0; at += words[at] < 0 ? 1 : (size_t)n + 2) {
            if (words[at] < 0) layered_cache_reset(&c);
            else error = layered_cache_serve(&c, words[at], words + at + 2, n = words[at + 1], slots, fills), events++;
        }
        const double each = 1e9 * (double)(clock() - start) / CLOCKS_PER_SEC / (events ? events : 1);
        if (error < 0) return fprintf(stderr, "misses: event %d: %s\n", events, layered_cache_message(error)), 1;
        if (o.policy == LAYERED_CACHE_LRU) lru = each;
        printf("%-14s %10llu misses of %llu, %6.1f ns per event, %5.2f x lru, %zu bytes\n", layered_cache_name(o.policy),
               (unsigned long long)c.misses, (unsigned long long)c.requests, each, lru > 0 ? each / lru : 0, bytes + sizeof c);
    }
    return 0;
}
