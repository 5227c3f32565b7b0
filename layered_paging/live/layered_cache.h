/* layered_cache.h: which experts a cache of slots loads and evicts, event by event.
 *
 * Part of layered-paging (Apache-2.0); `layered-paging export header` writes it.  C99 and C++, one file, nothing but
 * the headers of the language, no allocation, no global state, no mathematical library.
 *
 *     layered_cache_options o = {24, 32, 192, 0, LAYERED_CACHE_LLRU, 0, NULL};
 *     layered_cache c;
 *     void *memory = malloc(layered_cache_bytes(&o));
 *     layered_cache_init(&c, &o, memory, layered_cache_bytes(&o));
 *     int loads = layered_cache_serve(&c, layer, ids, n, where, fills);      for every layer of every token
 *     for (int i = 0; i < loads; i++) load expert fills[i].expert of the layer into slot fills[i].slot
 *     compute with slots where[0], ..., where[n - 1]
 *
 * An event is the set of experts that one layer asks for at one step.  Hits are judged when the event begins; all
 * absent members are loaded; all members stay until the event is over (forced admission).  A page is
 * layer * experts + expert.  Decisions are exactly those of layered_paging.replay with the policy of the same name,
 * ties included.  One thread at a time may use a cache.
 *
 * To add a policy: give it a number below and its name in layered_cache_name, memory in layered_cache_carve_, what a
 * reset does to it in layered_cache_reset, what it notes in layered_cache_use_, its choice in layered_cache_victim_.
 */
#ifndef LAYERED_CACHE_H
#define LAYERED_CACHE_H

#include <float.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(FLT_EVAL_METHOD) && FLT_EVAL_METHOD != 0
#error "layered_cache.h: doubles must be evaluated as doubles (on 32-bit x86: -msse2 -mfpmath=sse)"
#endif
#ifdef __FAST_MATH__
#error "layered_cache.h: -ffast-math lets compilers decide differently"
#endif

enum { /* policies */
    LAYERED_CACHE_LRU = 0,       /* the oldest event, then the lowest page */
    LAYERED_CACHE_LLRU = 1,      /* most visits of its layer since its last use, then the layer that comes round last */
    LAYERED_CACHE_LFU_DECAY = 2, /* the smallest sum over uses of 2^(-age / half_life), then as LRU */
    LAYERED_CACHE_STAMP = 3,     /* two numbers a page: smallest (decayed uses + 3 / (age + 1/2)) * (layers + gone) */
    LAYERED_CACHE_SIMILAR_ROUNDS = 4, /* what the rounds most like the present one say is needed last */
    LAYERED_CACHE_CLASSLRU = 5, /* the largest age / 2^class; class is floor(log2) of uses that halve in 128 rounds */
    LAYERED_CACHE_POLICIES = 6
};

enum { /* errors; after one of them nothing has changed */
    LAYERED_CACHE_BAD_OPTIONS = -1,
    LAYERED_CACHE_BAD_MEMORY = -2,
    LAYERED_CACHE_BAD_LAYER = -3,
    LAYERED_CACHE_BAD_EXPERT = -4,
    LAYERED_CACHE_TWICE = -5,
    LAYERED_CACHE_TOO_MANY = -6,
    LAYERED_CACHE_BAD_ARGUMENT = -7
};

typedef struct {
    int32_t layers;    /* 1 or more; layers * experts at most 2^24 */
    int32_t experts;   /* of each layer */
    int32_t slots;     /* in all, 1 to 2^24 */
    int32_t per_layer; /* 0: one pool; 1: slots / layers each, the remainder to the lowest layers */
    int32_t policy;
    int32_t half_life; /* of lfu-decay, in rounds: 1, 2, 4, 8, 16 or 32; 0 means 32 */
    const int32_t *quotas; /* with per_layer 1: slots of each layer, `slots` in all; or NULL */
} layered_cache_options;

typedef struct { /* load `expert` of the served layer into `slot`, which held page `evicted` (-1: it was free) */
    int32_t expert, slot, evicted;
} layered_cache_fill;

enum { LAYERED_CACHE_MEMORY = 512, LAYERED_CACHE_GROUPS = 16, LAYERED_CACHE_SOON = 8 }; /* of similar-rounds */
enum { LAYERED_CACHE_CLASSES = 8 }; /* of classlru: no count reaches 2^8 */

typedef struct { /* how like the present is each round, and which ones have a say */
    int64_t full, by_age[LAYERED_CACHE_MEMORY], round; /* of the last event */
    int32_t since /* events for which they were not chosen */, age[LAYERED_CACHE_GROUPS], say[LAYERED_CACHE_GROUPS];
} layered_cache_likeness;

typedef struct {
    layered_cache_options options;
    int64_t round;              /* of the event served last; the first is 0 */
    int64_t clock;              /* round * layers + layer of that event */
    int32_t at;                 /* its layer; `layers` if the next event begins a round in any case */
    uint64_t steps;             /* lfu-decay: of 2^(-1 / 32) a round */
    uint64_t requests, misses;  /* so far */
    /* in the caller's memory: */
    int32_t *slot_of;           /* by page: its slot, or -1 */
    int32_t *page_of;           /* by slot: its page, or -1 */
    int32_t *layer_of;          /* not lru, llru, by slot: the layer of its page */
    int32_t *base;              /* by pool, and one more: its first slot */
    int32_t *used;              /* by pool: slots that were ever filled since the reset */
    int32_t *order;             /* scratch: the members, ascending */
    int32_t *first, *last;      /* lru, llru, classlru: ends of lists of slots, the oldest use first; -1: empty */
    int32_t *before, *after;    /* by slot: its neighbours in its list */
    int64_t *served;            /* not lru, by page: round of the last use */
    double *value;              /* lfu-decay, by page: the sum, as of that round; 0 before the first use */
    int32_t *count;             /* stamp, similar-rounds, classlru, by page: decayed uses */
    int32_t *fade;              /* stamp: by age, 2^16 * (23/24)^age */
    uint64_t *halving;          /* classlru: by age, 2^32 * 2^(-age / 128) */
    int32_t *worth;             /* similar-rounds, by page */
    uint64_t *ring;             /* similar-rounds: by layer and round mod 512 the members, as bits */
    int64_t *round_of;          /* similar-rounds, by layer: the round in which it was served last */
    layered_cache_likeness *like; /* similar-rounds, by pool */
} layered_cache;

/* Return the name of a policy, as layered_paging spells it, or NULL. */
static inline const char *layered_cache_name(int policy) {
    static const char *const names[LAYERED_CACHE_POLICIES] = {
        "lru", "llru", "lfu-decay", "stamp", "similar-rounds", "classlru"};
    return policy >= 0 && policy < LAYERED_CACHE_POLICIES ? names[policy] : NULL;
}

/* Return what an error code means. */
static inline const char *layered_cache_message(int code) {
    switch (code) {
    case LAYERED_CACHE_BAD_OPTIONS: return "an option is out of its range";
    case LAYERED_CACHE_BAD_MEMORY: return "the memory must be aligned for int64_t and of layered_cache_bytes";
    case LAYERED_CACHE_BAD_LAYER: return "the layer must be in 0..layers - 1";
    case LAYERED_CACHE_BAD_EXPERT: return "experts must be in 0..experts - 1";
    case LAYERED_CACHE_TWICE: return "experts of an event must be distinct";
    case LAYERED_CACHE_TOO_MANY: return "an event needs as many slots of its pool as it has members";
    case LAYERED_CACHE_BAD_ARGUMENT: return "a pointer is NULL, or a number negative";
    default: return code < 0 ? "no such error" : "no error";
    }
}

/* private */

static inline int layered_cache_valid_(const layered_cache_options *o) {
    const int32_t most = 1 << 24;
    int32_t h, i, rest;
    if (o == NULL || o->layers < 1 || o->experts < 1 || o->slots < 1 || o->slots > most) return 0;
    if (o->layers > most || o->experts > most / o->layers) return 0;
    if (o->per_layer != 0 && o->per_layer != 1) return 0;
    if (o->policy < 0 || o->policy >= LAYERED_CACHE_POLICIES) return 0;
    if (o->quotas != NULL) {
        for (i = 0, rest = o->slots; i < o->layers; i++) {
            if (o->quotas[i] < 0 || o->quotas[i] > rest) return 0;
            rest -= o->quotas[i];
        }
        if (rest != 0 || !o->per_layer) return 0;
    }
    h = o->half_life;
    return h == 0 || (h >= 1 && h <= 32 && (h & (h - 1)) == 0);
}

static inline int32_t layered_cache_pools_(const layered_cache_options *o) { return o->per_layer ? o->layers : 1; }

/* Lists of lru (one a pool), classlru (one a class of a pool) and llru (one a layer). */
static inline int32_t layered_cache_lists_(const layered_cache_options *o) {
    if (o->policy == LAYERED_CACHE_LRU) return layered_cache_pools_(o);
    if (o->policy == LAYERED_CACHE_CLASSLRU) return layered_cache_pools_(o) * LAYERED_CACHE_CLASSES;
    return o->policy == LAYERED_CACHE_LLRU ? o->layers : 0;
}

static inline char *layered_cache_piece_(char *memory, uint64_t *at, uint64_t count, size_t size) {
    char *piece = memory == NULL || count == 0 ? NULL : memory + (size_t)*at;
    *at += (count * size + 7) / 8 * 8;
    return piece;
}

/* Share the memory out; return its bytes, or 0 if they are more than a machine can address. */
static inline size_t layered_cache_carve_(layered_cache *c, char *m) {
    const layered_cache_options *o = &c->options;
    const size_t pages = (size_t)o->layers * (size_t)o->experts, slots = (size_t)o->slots;
    const size_t lists = (size_t)layered_cache_lists_(o), word = sizeof(int32_t);
    const size_t wide = ((size_t)o->experts + 63) / 64;
    const int stamp = o->policy == LAYERED_CACHE_STAMP, similar = o->policy == LAYERED_CACHE_SIMILAR_ROUNDS;
    const int classes = o->policy == LAYERED_CACHE_CLASSLRU;
    uint64_t at = 0;
    c->slot_of = (int32_t *)(void *)layered_cache_piece_(m, &at, pages, word);
    c->page_of = (int32_t *)(void *)layered_cache_piece_(m, &at, slots, word);
    c->layer_of = (int32_t *)(void *)layered_cache_piece_(m, &at, lists == 0 ? slots : 0, word);
    c->base = (int32_t *)(void *)layered_cache_piece_(m, &at, (size_t)layered_cache_pools_(o) + 1, word);
    c->used = (int32_t *)(void *)layered_cache_piece_(m, &at, (size_t)layered_cache_pools_(o), word);
    c->order = (int32_t *)(void *)layered_cache_piece_(m, &at, (size_t)o->experts, word);
    c->first = (int32_t *)(void *)layered_cache_piece_(m, &at, lists, word);
    c->last = (int32_t *)(void *)layered_cache_piece_(m, &at, lists, word);
    c->before = (int32_t *)(void *)layered_cache_piece_(m, &at, lists ? slots : 0, word);
    c->after = (int32_t *)(void *)layered_cache_piece_(m, &at, lists ? slots : 0, word);
    c->served = (int64_t *)(void *)layered_cache_piece_(m, &at, o->policy != LAYERED_CACHE_LRU ? pages : 0, 8);
    c->value = (double *)(void *)layered_cache_piece_(m, &at, o->policy == LAYERED_CACHE_LFU_DECAY ? pages : 0, 8);
    c->count = (int32_t *)(void *)layered_cache_piece_(m, &at, stamp || similar || classes ? pages : 0, word);
    c->fade = (int32_t *)(void *)layered_cache_piece_(m, &at, stamp ? 256 : 0, word);
    c->halving = (uint64_t *)(void *)layered_cache_piece_(m, &at, classes ? 128 : 0, 8);
    c->worth = (int32_t *)(void *)layered_cache_piece_(m, &at, similar ? pages : 0, word);
    c->ring = (uint64_t *)(void *)layered_cache_piece_(m, &at, similar ? (uint64_t)LAYERED_CACHE_MEMORY * (size_t)o->layers * wide : 0, 8);
    c->round_of = (int64_t *)(void *)layered_cache_piece_(m, &at, similar ? (size_t)o->layers : 0, 8);
    c->like = (layered_cache_likeness *)(void *)layered_cache_piece_(
        m, &at, similar ? (size_t)layered_cache_pools_(o) : 0, sizeof(layered_cache_likeness));
    return at <= (size_t)-1 / 2 ? (size_t)at : 0;
}

/* Return 2^(-steps / 32), 0 beyond 1022 halvings: the nearest double of 2^(-i / 32), with another exponent. */
static inline double layered_cache_factor_(uint64_t steps) {
    static const double parts[32] = {
        1.0, 0.9785720620877001, 0.9576032806985737, 0.93708381705515,
        0.9170040432046712, 0.8973545375015536, 0.8781260801866497, 0.859309649061239,
        0.8408964152537145, 0.8228777390769825, 0.8052451659746271, 0.7879904225539432,
        0.7711054127039704, 0.7545822137967114, 0.7384130729697497, 0.7225904034885233,
        0.7071067811865476, 0.691954940981916, 0.6771277734684463, 0.6626183215798707,
        0.6484197773255048, 0.6345254785958666, 0.620928906036742, 0.6076236799902345,
        0.5946035575013605, 0.5818624293887887, 0.5693943173783458, 0.5571933712979462,
        0.5452538663326288, 0.5335702003384118, 0.5221368912137069, 0.5109485743270583};
    uint64_t bits;
    double power;
    if (steps > 1022 * 32) return 0.0;
    bits = (1023 - steps / 32) << 52;
    memcpy(&power, &bits, sizeof power);
    return parts[steps % 32] * power;
}

static inline int32_t layered_cache_list_(const layered_cache *c, int32_t page) {
    const int32_t layer = page / c->options.experts, pool = c->options.per_layer ? layer : 0;
    int32_t of_class = 0;
    if (c->halving == NULL) return c->options.policy == LAYERED_CACHE_LRU ? pool : layer;
    while (c->count[page] >> 17 >> of_class != 0) of_class++;
    return pool * LAYERED_CACHE_CLASSES + of_class;
}

/* Take a slot out of its list. */
static inline void layered_cache_unlink_(layered_cache *c, int32_t slot) {
    const int32_t list = layered_cache_list_(c, c->page_of[slot]);
    const int32_t older = c->before[slot], newer = c->after[slot];
    if (older < 0) c->first[list] = newer; else c->after[older] = newer;
    if (newer < 0) c->last[list] = older; else c->before[newer] = older;
}

/* Put a slot at the newest end of its list. */
static inline void layered_cache_link_(layered_cache *c, int32_t slot) {
    const int32_t list = layered_cache_list_(c, c->page_of[slot]), older = c->last[list];
    c->before[slot] = older;
    c->after[slot] = -1;
    if (older < 0) c->first[list] = slot; else c->after[older] = slot;
    c->last[list] = slot;
}

/* stamp: the decayed uses of a page, so many turns of the layers after the last one. */
static inline int32_t layered_cache_faded_(const layered_cache *c, int32_t page, int64_t turns) {
    return turns < 256 ? (int32_t)((int64_t)c->count[page] * c->fade[turns] >> 16) : 0;
}

/* A member of the event is used; c->round and c->clock are those of the event. */
static inline void layered_cache_use_(layered_cache *c, int32_t page) {
    if (c->value != NULL) {
        /* volatile: the product is rounded before 1 is added, also where the processor could do both at once */
        volatile double sum = 0.0;
        if (c->value[page] > 0.0)
            sum = c->value[page] * layered_cache_factor_((uint64_t)(c->round - c->served[page]) * c->steps);
        c->value[page] = sum + 1.0;
    }
    if (c->fade != NULL) c->count[page] = layered_cache_faded_(c, page, c->round - c->served[page]) + 1024;
    if (c->halving != NULL) {
        const uint64_t turns = (uint64_t)(c->round - c->served[page]), count = (uint64_t)c->count[page];
        c->count[page] = (turns < 128 * 24 ? (int32_t)(count * c->halving[turns % 128] >> 32 >> turns / 128) : 0) + (1 << 16);
    }
    if (c->served != NULL) c->served[page] = c->round;
}

/* The head of the list of a class whose age is the largest multiple of 2^class; ties to the lower class. */
static inline int32_t layered_cache_classlru_(const layered_cache *c, int32_t pool) {
    int32_t best = -1, i;
    int64_t most = -1;
    for (i = 0; i < LAYERED_CACHE_CLASSES; i++) {
        const int32_t slot = c->first[pool * LAYERED_CACHE_CLASSES + i], page = slot < 0 ? 0 : c->page_of[slot];
        const int64_t age = c->clock - c->served[page] * c->options.layers - page / c->options.experts;
        if (slot < 0 || age * (1 << (LAYERED_CACHE_CLASSES - i)) <= most) continue;
        best = slot;
        most = age * (1 << (LAYERED_CACHE_CLASSES - i));
    }
    return best;
}

/* The head of the list whose page was not used for most visits of its layer; of equal ones the layer farthest ahead. */
static inline int32_t layered_cache_llru_(const layered_cache *c, int32_t pool) {
    const int32_t layers = c->options.layers, lists = c->options.per_layer ? 1 : layers;
    int32_t best = -1, i, layer = c->options.per_layer ? pool : c->at;
    int64_t most = -1;
    for (i = 0; i < lists; i++) { /* the layer served, D = layers; the one before it, D = layers - 1; and so on */
        const int32_t slot = c->first[layer];
        if (slot >= 0) {
            const int64_t visits = c->round - c->served[c->page_of[slot]] - (layer > c->at);
            if (visits > most) {
                most = visits;
                best = slot;
            }
        }
        layer = layer == 0 ? layers - 1 : layer - 1;
    }
    return best;
}

/* The slot of the smallest decayed sum; ties to the oldest last use, then the lowest page. */
static inline int32_t layered_cache_lfu_decay_(const layered_cache *c, int32_t pool) {
    const int32_t from = c->base[pool], to = from + c->used[pool];
    int32_t best = -1, slot;
    int64_t oldest = 0;
    double least = 0.0;
    for (slot = from; slot < to; slot++) {
        const int32_t page = c->page_of[slot];
        const int64_t round = c->served[page];
        double now;
        if (round == c->round && c->layer_of[slot] == c->at) continue; /* a member of the event */
        now = c->value[page] * layered_cache_factor_((uint64_t)(c->round - round) * c->steps);
        if (best >= 0 && now > least) continue;
        {
            const int64_t used = round * c->options.layers + c->layer_of[slot];
            if (best < 0 || now < least || used < oldest || (used == oldest && page < c->page_of[best])) {
                best = slot;
                least = now;
                oldest = used;
            }
        }
    }
    return best;
}

static inline int32_t layered_cache_bits_(uint64_t x) { /* how many are 1 */
    x -= x >> 1 & 0x5555555555555555u;
    x = (x & 0x3333333333333333u) + (x >> 2 & 0x3333333333333333u);
    return (int32_t)(((x + (x >> 4)) & 0x0f0f0f0f0f0f0f0fu) * 0x0101010101010101u >> 56);
}

static inline int32_t layered_cache_lowest_(uint64_t x) { /* the place of the lowest 1; there is one */
#ifdef __GNUC__
    return __builtin_ctzll(x);
#else
    return layered_cache_bits_((x & (0 - x)) - 1);
#endif
}

static inline uint64_t *layered_cache_row_(const layered_cache *c, int32_t layer, int64_t round) {
    const size_t wide = ((size_t)c->options.experts + 63) / 64;
    return c->ring + ((size_t)layer * LAYERED_CACHE_MEMORY + (size_t)((uint64_t)round % LAYERED_CACHE_MEMORY)) * wide;
}

/* similar-rounds: count what rounds have in common with the present one, of whose event the members are in its row.
 * After the first event of a round, and after every fourth one from there, choose the likest rounds. */
static inline void layered_cache_compare_(layered_cache *c, layered_cache_likeness *like, int32_t n) {
    const size_t wide = ((size_t)c->options.experts + 63) / 64;
    const uint64_t *members = layered_cache_row_(c, c->at, c->round), *ring = layered_cache_row_(c, c->at, 0);
    const int32_t fade = like->since == 0 ? 2 : 62; /* a quarter, or nothing */
    int64_t most[LAYERED_CACHE_GROUPS], top = 0, total = 0, share;
    int32_t age, g;
    size_t w;
    like->since = like->full > 0 && like->round == c->round ? (like->since + 1) % 4 : 0;
    like->round = c->round;
    like->full += 16 * (int64_t)n - (like->full >> fade);
    for (age = 1; age < LAYERED_CACHE_MEMORY; age++) {
        const uint64_t *row = ring + ((uint64_t)(c->round - age) % LAYERED_CACHE_MEMORY) * wide;
        int32_t common = 0;
        for (w = 0; w < wide; w++) common += layered_cache_bits_(members[w] & row[w]);
        like->by_age[age] += 16 * (int64_t)common - (like->by_age[age] >> fade);
    }
    if (like->since != 0) return;
    for (g = 0; g < LAYERED_CACHE_GROUPS; g++) {
        most[g] = 0;
        for (age = g == 0 ? LAYERED_CACHE_GROUPS : g; age < LAYERED_CACHE_MEMORY; age += LAYERED_CACHE_GROUPS)
            if (like->by_age[age] > most[g]) {
                most[g] = like->by_age[age];
                like->age[g] = age;
            }
        if (most[g] > top) top = most[g];
    }
    share = (LAYERED_CACHE_GROUPS << 16) / like->full;
    for (g = 0; g < LAYERED_CACHE_GROUPS; g++) {
        const int64_t below = (top - most[g]) * share >> 16;
        total += like->say[g] = most[g] > 0 && below < 16 ? 32768 >> below : 0;
    }
    share = total > 0 ? (1 << 24) / total : 0;
    for (g = 0; g < LAYERED_CACHE_GROUPS; g++) like->say[g] = (int32_t)(like->say[g] * share >> 16);
}

/* similar-rounds: add to the worth of each page of the layer how soon it was used again, seen from `age` rounds ago. */
static inline void layered_cache_recall_(layered_cache *c, int32_t age, int32_t say) {
    static const int32_t soon[LAYERED_CACHE_SOON] = {255, 159, 99, 61, 38, 23, 14, 8};
    const size_t wide = ((size_t)c->options.experts + 63) / 64;
    const uint64_t *ring = layered_cache_row_(c, c->at, 0);
    int32_t *worth = c->worth + (size_t)c->at * (size_t)c->options.experts;
    int32_t later;
    size_t w;
    for (w = 0; w < wide; w++) {
        uint64_t seen = 0;
        for (later = 1; later <= LAYERED_CACHE_SOON && later <= age; later++) {
            uint64_t fresh = ring[((uint64_t)(c->round - age + later) % LAYERED_CACHE_MEMORY) * wide + w] & ~seen;
            seen |= fresh;
            for (; fresh != 0; fresh &= fresh - 1)
                worth[64 * w + (size_t)layered_cache_lowest_(fresh)] += 2 * say * soon[later - 1];
        }
    }
}

/* similar-rounds: note the event and value the pages of its layer. */
static inline void layered_cache_settle_(layered_cache *c, int32_t pool, const int32_t *ids, int32_t n) {
    layered_cache_likeness *like = &c->like[pool];
    const int32_t experts = c->options.experts;
    const size_t start = (size_t)c->at * (size_t)experts, wide = ((size_t)experts + 63) / 64;
    int64_t passed = c->round - c->round_of[c->at];
    int32_t i;
    if (passed > LAYERED_CACHE_MEMORY) passed = LAYERED_CACHE_MEMORY;
    for (; passed > 0; passed--)
        memset(layered_cache_row_(c, c->at, c->round - passed + 1 + LAYERED_CACHE_MEMORY), 0, wide * sizeof *c->ring);
    c->round_of[c->at] = c->round;
    for (i = 0; i < experts; i++) c->count[start + (size_t)i] -= c->count[start + (size_t)i] >> 4;
    for (i = 0; i < n; i++) {
        layered_cache_row_(c, c->at, c->round)[ids[i] / 64] |= (uint64_t)1 << ids[i] % 64;
        c->count[start + (size_t)ids[i]] += 4096;
    }
    layered_cache_compare_(c, like, n);
    for (i = 0; i < experts; i++) {
        const int64_t age = c->round - c->served[start + (size_t)i];
        c->worth[start + (size_t)i] = c->count[start + (size_t)i] + (age < LAYERED_CACHE_MEMORY ? 16384 / (2 * (int32_t)age + 1) : 0);
    }
    for (i = 0; i < LAYERED_CACHE_GROUPS; i++)
        if (like->say[i] > 0) layered_cache_recall_(c, like->age[i], like->say[i]);
}

/* The slot of the smallest value * (layers + distance gone), as stamp or similar-rounds value pages; ties to the lowest page. */
static inline int32_t layered_cache_valued_(const layered_cache *c, int32_t pool) {
    const int32_t from = c->base[pool], to = from + c->used[pool], experts = c->options.experts, layers = c->options.layers;
    const uint64_t *members = c->ring == NULL ? NULL : layered_cache_row_(c, c->at, c->round);
    int32_t best = -1, slot;
    int64_t least = 0;
    for (slot = from; slot < to; slot++) {
        const int32_t page = c->page_of[slot], layer = c->layer_of[slot], expert = page - layer * experts;
        const int32_t gone = c->at - layer + (c->at < layer ? layers : 0);
        int64_t value;
        if (members == NULL) {
            const int64_t turns = c->round - c->served[page] - (layer > c->at);
            if (layer == c->at && turns == 0) continue; /* a member of the event */
            value = layered_cache_faded_(c, page, turns) + (turns < 3072 ? 6144 / (2 * (int32_t)turns + 1) : 0);
        } else {
            if (layer == c->at && (members[expert / 64] >> expert % 64 & 1)) continue;
            value = c->worth[page];
        }
        value *= layers + gone;
        if (best >= 0 && (value > least || (value == least && page > c->page_of[best]))) continue;
        best = slot;
        least = value;
    }
    return best;
}

/* Return the slot of the pool whose page goes; members of the event are not in lists, and are in no slot or stamped. */
static inline int32_t layered_cache_victim_(const layered_cache *c, int32_t pool) {
    switch (c->options.policy) {
    case LAYERED_CACHE_LRU: return c->first[pool];
    case LAYERED_CACHE_LLRU: return layered_cache_llru_(c, pool);
    case LAYERED_CACHE_LFU_DECAY: return layered_cache_lfu_decay_(c, pool);
    case LAYERED_CACHE_CLASSLRU: return layered_cache_classlru_(c, pool);
    default: return layered_cache_valued_(c, pool);
    }
}

/* Write the members' places in `ids` into c->order, ascending by id; return 0 or an error. */
static inline int layered_cache_sort_(layered_cache *c, const int32_t *ids, int32_t n) {
    int32_t i, k;
    for (i = 0; i < n; i++) {
        const int32_t id = ids[i];
        if (id < 0 || id >= c->options.experts) return LAYERED_CACHE_BAD_EXPERT;
        for (k = i; k > 0 && ids[c->order[k - 1]] > id; k--) c->order[k] = c->order[k - 1];
        if (k > 0 && ids[c->order[k - 1]] == id) return LAYERED_CACHE_TWICE;
        c->order[k] = i;
    }
    return 0;
}

/* public */

/* Return the bytes of memory that a cache needs, or 0 if an option is out of its range or no machine has so much. */
static inline size_t layered_cache_bytes(const layered_cache_options *options) {
    layered_cache c;
    if (!layered_cache_valid_(options)) return 0;
    memset(&c, 0, sizeof c);
    c.options = *options;
    return layered_cache_carve_(&c, NULL);
}

/* Begin a session: cache and policy start from nothing.  The counts go on. */
static inline void layered_cache_reset(layered_cache *c) {
    const size_t pages = (size_t)c->options.layers * (size_t)c->options.experts, slots = (size_t)c->options.slots;
    const size_t word = sizeof(int32_t);
    memset(c->slot_of, 0xff, pages * word); /* -1 */
    memset(c->page_of, 0xff, slots * word);
    memset(c->used, 0, (size_t)layered_cache_pools_(&c->options) * word);
    if (c->first != NULL) {
        memset(c->first, 0xff, (size_t)layered_cache_lists_(&c->options) * word);
        memset(c->last, 0xff, (size_t)layered_cache_lists_(&c->options) * word);
    }
    if (c->served != NULL) memset(c->served, 0, pages * sizeof *c->served);
    if (c->value != NULL) memset(c->value, 0, pages * sizeof *c->value);
    if (c->count != NULL) memset(c->count, 0, pages * sizeof *c->count);
    if (c->ring != NULL) {
        const size_t layers = (size_t)c->options.layers, wide = ((size_t)c->options.experts + 63) / 64;
        memset(c->worth, 0, pages * sizeof *c->worth);
        memset(c->ring, 0, layers * LAYERED_CACHE_MEMORY * wide * sizeof *c->ring);
        memset(c->round_of, 0, layers * sizeof *c->round_of);
        memset(c->like, 0, (size_t)layered_cache_pools_(&c->options) * sizeof *c->like);
    }
    c->at = c->options.layers;
}

/* Make an empty cache in memory of layered_cache_bytes(options), aligned as malloc aligns.  Return 0 or an error. */
static inline int layered_cache_init(
    layered_cache *c, const layered_cache_options *options, void *memory, size_t bytes) {
    int32_t pools, i;
    if (c == NULL) return LAYERED_CACHE_BAD_ARGUMENT;
    if (layered_cache_bytes(options) == 0) return LAYERED_CACHE_BAD_OPTIONS;
    if (memory == NULL || (uintptr_t)memory % 8 != 0 || bytes < layered_cache_bytes(options)) return LAYERED_CACHE_BAD_MEMORY;
    memset(c, 0, sizeof *c);
    c->options = *options;
    memset(memory, 0, layered_cache_carve_(c, (char *)memory));
    pools = layered_cache_pools_(options);
    for (i = 0; i < pools; i++) {
        const int32_t even = options->slots / pools + (i < options->slots % pools);
        c->base[i + 1] = c->base[i] + (options->quotas == NULL ? even : options->quotas[i]);
    }
    for (i = 0; i < 256 && c->fade != NULL; i++) c->fade[i] = i == 0 ? 1 << 16 : c->fade[i - 1] - c->fade[i - 1] / 24;
    for (i = 0; i < 128 && c->halving != NULL; i++)
        c->halving[i] = i == 0 ? (uint64_t)1 << 32 : c->halving[i - 1] * 4271771996u >> 32; /* 2^32 * 2^(-1 / 128) */
    c->options.quotas = NULL; /* the caller may drop them */
    c->round = -1;
    c->steps = options->half_life == 0 ? 1 : (uint64_t)(32 / options->half_life);
    layered_cache_reset(c);
    return 0;
}

/* Say that a round (a token, or a batch of them) begins.  Needed only where rounds skip layers: a layer that is not
 * above the one served before begins a round by itself. */
static inline void layered_cache_begin_round(layered_cache *c) {
    c->round++;
    c->at = -1;
}

/* Return the slot of an expert, or -1 if it is absent. */
static inline int32_t layered_cache_find(const layered_cache *c, int32_t layer, int32_t expert) {
    if (layer < 0 || layer >= c->options.layers || expert < 0 || expert >= c->options.experts) return -1;
    return c->slot_of[layer * c->options.experts + expert];
}

/* Serve one event: the n distinct experts `ids` that `layer` asks for.
 *
 * Write the slot of ids[i] into slots[i] (slots may be NULL, or ids), and what to load into fills, which has room for n,
 * ascending by expert.  Return how many loads there are, or an error, after which nothing has changed. */
static inline int layered_cache_serve(
    layered_cache *c, int32_t layer, const int32_t *ids, int32_t n, int32_t *slots, layered_cache_fill *fills) {
    int32_t pool, quota, start, i, hit, late = 0;
    int loads = 0;
    if (c == NULL || n < 0 || (n > 0 && (ids == NULL || fills == NULL))) return LAYERED_CACHE_BAD_ARGUMENT;
    if (layer < 0 || layer >= c->options.layers) return LAYERED_CACHE_BAD_LAYER;
    pool = c->options.per_layer ? layer : 0;
    quota = c->base[pool + 1] - c->base[pool];
    if (n > c->options.experts || n > quota) return LAYERED_CACHE_TOO_MANY;
    i = layered_cache_sort_(c, ids, n);
    if (i < 0) return i;
    if (layer <= c->at) c->round++;
    c->at = layer;
    c->clock = c->round * c->options.layers + layer;
    start = layer * c->options.experts;
    for (hit = 1; hit >= 0; hit--) /* the policy is told of what is there, then of what is not */
        for (i = 0; i < n; i++) {
            const int32_t page = start + ids[c->order[i]];
            if ((c->slot_of[page] >= 0) != hit) continue;
            if (hit && c->first != NULL) layered_cache_unlink_(c, c->slot_of[page]);
            layered_cache_use_(c, page);
        }
    if (c->ring != NULL && n > 0) layered_cache_settle_(c, pool, ids, n);
    for (i = 0; i < n; i++) {
        const int32_t page = start + ids[c->order[i]];
        int32_t slot = c->slot_of[page];
        if (slot < 0) {
            layered_cache_fill *fill = &fills[loads++];
            fill->expert = ids[c->order[i]];
            fill->evicted = -1;
            if (c->used[pool] < quota) {
                slot = c->base[pool] + c->used[pool]++;
            } else {
                slot = layered_cache_victim_(c, pool);
                fill->evicted = c->page_of[slot];
                if (c->first != NULL) layered_cache_unlink_(c, slot);
                c->slot_of[fill->evicted] = -1;
            }
            fill->slot = slot;
            c->page_of[slot] = page;
            if (c->layer_of != NULL) c->layer_of[slot] = layer;
            c->slot_of[page] = slot;
        }
        if (slots != NULL) slots[c->order[i]] = slot;
        c->order[i] = slot; /* from here on, as `slots` may be `ids` */
    }
    for (i = 0; i < n && c->first != NULL; i++) /* classlru: hits are older than loads */
        if (c->halving != NULL && late < loads && fills[late].slot == c->order[i]) late++;
        else layered_cache_link_(c, c->order[i]);
    for (i = 0; i < late; i++) layered_cache_link_(c, fills[i].slot);
    c->requests += (uint64_t)n;
    c->misses += (uint64_t)loads;
    return loads;
}

#endif /* LAYERED_CACHE_H */
