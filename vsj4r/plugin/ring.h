/* The last finished output frames, bounded in number and in bytes, but never fewer than every worker and a step back
 * need. Holds one reference to each. */
#ifndef VSJ4R_RING_H
#define VSJ4R_RING_H

#include <VapourSynth4.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct RingEntry {
    int n; /* -1: empty */
    const VSFrame *frame;
} RingEntry;

typedef struct Ring {
    RingEntry *entries;
    int capacity;
    int next; /* the oldest entry, to be replaced first */
} Ring;

/* Room for the frames, of `bytes` each, that `threads` workers may have under way; false: no memory. */
bool ring_init(Ring *ring, int64_t bytes, int threads);
void ring_free(Ring *ring, const VSAPI *api);

/* The frame, borrowed, or NULL. */
const VSFrame *ring_find(const Ring *ring, int n);

/* Takes over the caller's reference to `frame`. */
void ring_put(Ring *ring, int n, const VSFrame *frame, const VSAPI *api);

#endif
