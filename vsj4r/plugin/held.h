/* The frames of one clip that a waiting request holds. */
#ifndef VSJ4R_HELD_H
#define VSJ4R_HELD_H

#include <VapourSynth4.h>
#include <stdbool.h>

/* first .. last; none when last < first. */
typedef struct Held {
    int first, last;
} Held;

static const Held HELD_NONE = {0, -1};

/* Hold exactly first .. last from now on, without those that are `absent` (NULL: none is). Returns whether anything
 * had to be asked for. */
bool held_move(Held *held, int first, int last, const bool *absent, VSNode *node, VSFrameContext *context,
               const VSAPI *api);

#endif
