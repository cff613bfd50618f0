/* Calls into vsj4r.plugin.host. Each needs the GIL (host_lock) unless it says otherwise. */
#ifndef VSJ4R_HOST_CALLS_H
#define VSJ4R_HOST_CALLS_H

#include "python_abi.h"

#include <VapourSynth4.h>

/* One line for the user, UTF-8. A Python exception's text is cut to HOST_TEXT_MAX bytes: there is room before it. */
enum { HOST_TEXT_MAX = 1900 };
typedef struct HostError {
    char text[HOST_TEXT_MAX + 100];
} HostError;

/* What to do now on the way to output `target`: look at frames first .. last, or step first .. stop. See `Run` in
 * vsj4r/frames/segments.py. */
typedef struct HostRun {
    int look;
    int target, first, keep, stop, last;
} HostRun;

/* Take the GIL, whether or not this thread holds it; false (and `error`) when Python is not to be called. */
bool host_lock(int *gil, HostError *error);
void host_unlock(int gil);

/* A new reference to the host of a filter, or NULL and `error`. `arguments` is the map of the call. */
PyObject *host_open(const VSVideoInfo *info, const VSMap *arguments, const VSAPI *api, HostError *error);

/* Drops the reference. Takes the GIL itself; leaks when Python is on its way out. */
void host_close(PyObject *host);

bool host_reads(PyObject *host, int n, HostRun *run, HostError *error);

/* Look at frame `i` for a scene cut. */
bool host_look(PyObject *host, int i, const VSFrame *source, const VSAPI *api, HostError *error);

/* Feed frame `i`: `source`, and `after`, the next one read. `out` NULL: the output is thrown away. */
bool host_step(PyObject *host, int i, int target, const VSFrame *source, const VSFrame *after, VSFrame *out,
               const VSAPI *api, HostError *error);

/* Request `n` has failed. */
void host_forget(PyObject *host, int n);

#endif
