/* The requests under way, a list. */
#ifndef VSJ4R_REQUESTS_H
#define VSJ4R_REQUESTS_H

#include "host_calls.h"

#include <VapourSynth4.h>
#include <stdbool.h>

/* The frames of one clip that a request holds: first .. last; none when last < first. */
typedef struct Held {
    int first, last;
} Held;

static const Held HELD_NONE = {0, -1};

/* Hold exactly first .. last from now on. Frames that are `absent` (NULL: none is) are not asked for, but for frame
 * `but`. Returns whether anything had to be asked for. */
bool held_move(Held *held, int first, int last, const bool *absent, int but, VSNode *node, VSFrameContext *context,
               const VSAPI *api);

/* A request for output n that waits. */
typedef struct Request {
    int n;
    Held source, mask;
    const VSFrame *finished; /* output n, once somebody's run has come past it */
    bool failed; /* instead, with `error` */
    HostError error;
    struct Request *next;
} Request;

/* A new one on the list, or NULL: no memory. */
Request *request_open(Request **list, int n);

/* Forget the request; gives its output frame, with the reference, or NULL. */
const VSFrame *request_close(Request **list, Request *request);

/* Give output n to whoever waits for it. */
void requests_give(Request *list, int n, const VSFrame *out, const VSAPI *api);

/* Tell whoever waits for output n that there is none. */
void requests_fail(Request *list, int n, const HostError *error);

#endif
