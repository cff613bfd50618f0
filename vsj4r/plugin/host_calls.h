/* Calls into vsj4r.plugin.host. Each needs the GIL (host_lock) unless it says otherwise. */
#ifndef VSJ4R_HOST_CALLS_H
#define VSJ4R_HOST_CALLS_H

#include "outputs.h"
#include "python_abi.h"

#include <VapourSynth4.h>

/* One line for the user, UTF-8. A Python exception's text is cut to HOST_TEXT_MAX bytes: there is room before it. */
enum { HOST_TEXT_MAX = 1900 };
typedef struct HostError {
    char text[HOST_TEXT_MAX + 100];
} HostError;

/* What to do now on the way to output `target`: look at frames first .. last, or step first .. stop, where it goes
 * `backward` from the higher to the lower. See `Run` in vsj4r/frames/segments.py. */
typedef struct HostRun {
    int look;
    int target, first, keep, stop, last, ahead, backward;
} HostRun;

/* Take the GIL, whether or not this thread holds it; false (and `error`) when Python is not to be called. */
bool host_lock(int *gil, HostError *error);
void host_unlock(int gil);

/* A new reference to the host of a filter, or NULL and `error`. `mask` may be NULL; `arguments` is the map of
 * the call. */
PyObject *host_open(const VSVideoInfo *clip, const VSVideoInfo *mask, const VSMap *arguments, const VSAPI *api,
                    HostError *error);

/* Drops the reference. Takes the GIL itself; leaks when Python is on its way out. */
void host_close(PyObject *host);

bool host_reads(PyObject *host, int n, HostRun *run, HostError *error);

/* Look at frame `i` for a scene cut. */
bool host_look(PyObject *host, int i, const VSFrame *source, const VSAPI *api, HostError *error);

/* The next frame, and as many as there may be in flight (num_streams). */
enum { HOST_SOURCES_MAX = 1 + 8 };

/* The frames of one step: the frame itself and those read after it (before it, where it goes backward), `mask` or
 * NULL, and `count` frames to be written. */
typedef struct HostFrames {
    const VSFrame *sources[HOST_SOURCES_MAX];
    int source_count;
    const VSFrame *mask;
    VSFrame *outs[OUTPUTS_MAX];
    int count; /* 0: the output is thrown away */
    double rain, occlusion; /* gives, unless `count` is 0: means over the frame */
} HostFrames;

typedef enum StepResult {
    STEP_DONE,
    STEP_REFUSED, /* the state has gone on, but the outputs are not to be used */
    STEP_FAILED,  /* the state has not gone on */
} StepResult;

/* Feed frame `i` of a run. Unless it is done, `error` says why. */
StepResult host_step(PyObject *host, int i, const HostRun *run, HostFrames *frames, const VSAPI *api, HostError *error);

/* Request `n` has failed. */
void host_forget(PyObject *host, int n);

#endif
