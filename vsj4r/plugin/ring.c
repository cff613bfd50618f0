#include "ring.h"

#include <stdlib.h>

/* A request under way is handed its frame when a run comes past it; the ring serves those who come later, or again:
 * a player that steps back, a filter that reads neighbours. 40 frames are 124 MB of 1080p at 8 bit; 256 MiB hold
 * fewer than 40 from 1440p at 10 bit on. The floor lets every worker be a frame behind the newest, and a player go
 * 10 frames back at any size without a replay. */
static const int64_t RING_FRAMES = 40;
static const int64_t RING_BYTES = 256 << 20;
static const int64_t STEP_BACK_FRAMES = 10;

bool ring_init(Ring *ring, int64_t bytes, int threads)
{
    int64_t frames = RING_BYTES / bytes;
    int64_t least = threads + STEP_BACK_FRAMES + 2;
    if (frames > RING_FRAMES)
        frames = RING_FRAMES;
    ring->capacity = (int)(frames < least ? least : frames);
    ring->next = 0;
    ring->entries = malloc(sizeof *ring->entries * (size_t)ring->capacity);
    if (!ring->entries)
        return false;
    for (int i = 0; i < ring->capacity; i++)
        ring->entries[i] = (RingEntry){.n = -1, .frame = NULL};
    return true;
}

void ring_free(Ring *ring, const VSAPI *api)
{
    for (int i = 0; ring->entries && i < ring->capacity; i++)
        api->freeFrame(ring->entries[i].frame);
    free(ring->entries);
}

const VSFrame *ring_find(const Ring *ring, int n)
{
    for (int i = 0; i < ring->capacity; i++)
        if (ring->entries[i].n == n)
            return ring->entries[i].frame;
    return NULL;
}

void ring_put(Ring *ring, int n, const VSFrame *frame, const VSAPI *api)
{
    RingEntry *oldest = &ring->entries[ring->next];
    api->freeFrame(oldest->frame);
    *oldest = (RingEntry){.n = n, .frame = frame};
    ring->next = (ring->next + 1) % ring->capacity;
}
