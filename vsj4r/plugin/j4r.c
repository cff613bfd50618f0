/* core.j4r.Derain: a recurrent filter whose output n is a function of (clip, n).
 *
 * This is the mechanism: frame requests, references, the GIL, the ring of finished frames. Which frames are
 * fed, from which state, is decided in Python (host.py, ../frames/segments.py).
 */
#include "host_calls.h"
#include "outputs.h"
#include "requests.h"
#include "ring.h"

#include <VapourSynth4.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct Derain {
    VSNode *node, *mask; /* the mask may be NULL */
    bool *absent;        /* the frames of the mask that could not be had */
    Outputs outputs;
    PyObject *host;
    Request *requests;
    Ring ring;
} Derain;

/* Say which frame a text is about. */
static void name_frame(HostError *error, int i)
{
    HostError unnamed = *error;
    snprintf(error->text, sizeof error->text, "frame %d: %s", i, unnamed.text);
}

static void set_filter_error(const HostError *error, VSFrameContext *context, const VSAPI *api)
{
    char text[sizeof error->text + 16];
    snprintf(text, sizeof text, "Derain: %s", error->text);
    api->setFilterError(text, context);
}

/* ---------------------------------------------------------------- get */

/* Number of the mask's frame for frame i: a shorter mask's last frame goes on. */
static int derain_mask_frame(const Derain *d, int i, const VSAPI *api)
{
    int last = api->getVideoInfo(d->mask)->numFrames - 1;
    return i < last ? i : last;
}

/* Hold what a run reads: the mask only where an output is written, and where it is known to be absent only for the
 * request's own output. Returns whether anything had to be asked for. */
static bool derain_hold(Derain *d, Request *request, const HostRun *run, VSFrameContext *context, const VSAPI *api)
{
    int lowest = run->backward ? run->last : run->first, highest = run->backward ? run->first : run->last;
    bool asked = held_move(&request->source, lowest, highest, NULL, 0, d->node, context, api);
    if (!d->mask || d->mask == d->node) /* which are the same frames, held once */
        return asked;
    int first = HELD_NONE.first, last = HELD_NONE.last;
    if (!run->look && !run->backward) {
        first = derain_mask_frame(d, run->keep > run->first ? run->keep : run->first, api);
        last = derain_mask_frame(d, run->stop, api);
    }
    int own = derain_mask_frame(d, request->n, api);
    return held_move(&request->mask, first, last, d->absent, own, d->mask, context, api) || asked;
}

/* Frame i has been stepped. */
static void derain_release(Derain *d, Request *request, int i, bool backward, VSFrameContext *context, const VSAPI *api)
{
    api->releaseFrameEarly(d->node, i, context);
    if (backward)
        request->source.last = i - 1;
    else
        request->source.first = i + 1;
    if (d->mask && i >= request->mask.first && i < request->mask.last) { /* the last may serve again */
        api->releaseFrameEarly(d->mask, i, context);
        request->mask.first = i + 1;
    }
}

/* Keep output i (taking over the reference) and give it to whoever waits for it. */
static void derain_finish(Derain *d, int i, const VSFrame *out, const VSAPI *api)
{
    requests_give(d->requests, i, out, api);
    ring_put(&d->ring, i, out, api);
}

/* The mask for frame i, or NULL where it is absent, which is remembered. */
static const VSFrame *derain_mask(Derain *d, int i, VSFrameContext *context, const VSAPI *api)
{
    int number = derain_mask_frame(d, i, api);
    const VSFrame *mask = api->getFrameFilter(number, d->mask, context);
    d->absent[number] = !mask;
    return mask;
}

/* Step frame i of a run; its output counts unless it is warm-up, or the mask is absent. */
static StepResult derain_step(Derain *d, const Request *request, int i, const HostRun *run, VSFrameContext *context,
                              VSCore *core, const VSAPI *api, HostError *error)
{
    HostFrames frames = {.count = i >= run->keep ? d->outputs.count : 0};
    int count = run->ahead + 2 < HOST_SOURCES_MAX ? run->ahead + 2 : HOST_SOURCES_MAX;
    int way = run->backward ? -1 : 1, left = (run->last - i) * way + 1;
    for (int n = i; frames.source_count < (left < count ? left : count); n += way)
        frames.sources[frames.source_count++] = api->getFrameFilter(n, d->node, context);
    StepResult result = STEP_DONE;
    if (frames.count && d->mask) {
        frames.mask = derain_mask(d, i, context, api);
        if (!frames.mask)
            frames.count = 0;
        if (!frames.mask && i == request->n) {
            snprintf(error->text, sizeof error->text, "mask must have this frame, got none");
            result = STEP_FAILED;
        }
    }
    if (frames.count)
        outputs_new(&d->outputs, frames.outs, frames.sources[0], core, api);
    if (result == STEP_DONE)
        result = host_step(d->host, i, run, &frames, api, error);
    if (result != STEP_DONE)
        name_frame(error, i);
    if (result == STEP_REFUSED)
        requests_fail(d->requests, i, error);
    if (result == STEP_DONE && frames.count)
        derain_finish(d, i, outputs_join(&d->outputs, frames.outs, frames.rain, frames.occlusion, api), api);
    else
        outputs_free(&d->outputs, frames.outs, api);
    api->freeFrame(frames.mask);
    while (frames.source_count)
        api->freeFrame(frames.sources[--frames.source_count]);
    return result;
}

/* Look at the frames of a run, which are held. */
static bool derain_look(Derain *d, const HostRun *run, VSFrameContext *context, const VSAPI *api, HostError *error)
{
    bool looked = true;
    for (int i = run->first; looked && i <= run->last; i++) {
        const VSFrame *source = api->getFrameFilter(i, d->node, context);
        looked = host_look(d->host, i, source, api, error);
        api->freeFrame(source);
        if (!looked)
            name_frame(error, i);
    }
    return looked;
}

/* With the GIL: look and step until the request is finished or has asked for frames. False: it fails, with `error`. */
static bool derain_advance(Derain *d, Request *request, VSFrameContext *context, VSCore *core, const VSAPI *api,
                           HostError *error)
{
    while (!request->finished) {
        HostRun run;
        if (request->failed) {
            *error = request->error;
            return false;
        }
        if (!host_reads(d->host, request->n, &run, error))
            return false;
        if (derain_hold(d, request, &run, context, api))
            return true;
        if (run.look) {
            if (!derain_look(d, &run, context, api, error))
                return false;
            continue;
        }
        int steps = abs(run.stop - run.first) + 1, way = run.backward ? -1 : 1;
        for (int step = 0, i = run.first; step < steps; step++, i += way) {
            if (derain_step(d, request, i, &run, context, core, api, error) == STEP_FAILED) {
                host_forget(d->host, run.target);
                if (run.target != request->n)
                    break; /* another request's trouble, which it will meet itself */
                return false;
            }
            derain_release(d, request, i, run.backward, context, api);
        }
    }
    return true;
}

/* Do what can be done for the request now; on failure the filter error is set. */
static bool derain_serve(Derain *d, Request *request, VSFrameContext *context, VSCore *core, const VSAPI *api)
{
    HostError error;
    int gil;
    bool served = host_lock(&gil, &error);
    if (served) {
        served = derain_advance(d, request, context, core, api, &error);
        host_unlock(gil);
    }
    if (!served)
        set_filter_error(&error, context, api);
    return served;
}

/* A frame could not be had: of the clip, or of the mask, where that is remembered. */
static void derain_give_up(Derain *d, Request *request, VSFrameContext *context, const VSAPI *api)
{
    for (int i = request->mask.first; i <= request->mask.last; i++) {
        const VSFrame *mask = api->getFrameFilter(i, d->mask, context);
        d->absent[i] = !mask;
        api->freeFrame(mask);
    }
    HostError ignored;
    int gil;
    if (host_lock(&gil, &ignored)) {
        host_forget(d->host, request->n);
        host_unlock(gil);
    }
    api->freeFrame(request_close(&d->requests, request));
}

/* fmUnordered: entered by one thread at a time, in any order of n. Each entry may have to ask for more frames,
 * for meanwhile another request may have moved the states. */
static const VSFrame *VS_CC derain_get(int n, int reason, void *instance, void **frame_data, VSFrameContext *context,
                                       VSCore *core, const VSAPI *api)
{
    Derain *d = instance;
    if (reason == arInitial) {
        const VSFrame *known = ring_find(&d->ring, n);
        if (known)
            return api->addFrameRef(known);
        frame_data[0] = request_open(&d->requests, n);
        if (!frame_data[0])
            api->setFilterError("Derain: out of memory", context);
    }
    Request *request = frame_data[0];
    if (!request)
        return NULL;
    if (reason == arError) {
        derain_give_up(d, request, context, api);
        return NULL;
    }
    if (!request->finished && derain_serve(d, request, context, core, api) && !request->finished)
        return NULL; /* waits for source frames */
    return request_close(&d->requests, request); /* NULL after an error */
}

/* --------------------------------------------------------------- free */

static void VS_CC derain_free(void *instance, VSCore *core, const VSAPI *api)
{
    (void)core;
    Derain *d = instance;
    host_close(d->host);
    while (d->requests)
        api->freeFrame(request_close(&d->requests, d->requests));
    ring_free(&d->ring, api);
    free(d->absent);
    api->freeNode(d->mask);
    api->freeNode(d->node);
    free(d);
}

/* ------------------------------------------------------------- create */

static bool derain_open(Derain *d, const VSMap *in, VSCore *core, const VSAPI *api, HostError *error)
{
    int gil;
    if (!python_load()) {
        snprintf(error->text, sizeof error->text,
                 "this process must run Python 3.12 or later, got none or an older one: load a script (.vpy) instead");
        return false;
    }
    if (!host_lock(&gil, error))
        return false;
    d->host = host_open(api->getVideoInfo(d->node), d->mask ? api->getVideoInfo(d->mask) : NULL, in, api, error);
    host_unlock(gil);
    if (!d->host)
        return false;
    if (d->mask)
        d->absent = calloc((size_t)api->getVideoInfo(d->mask)->numFrames, sizeof *d->absent);
    outputs_init(&d->outputs, api->getVideoInfo(d->node), in, core, api);
    VSCoreInfo info;
    api->getCoreInfo(core, &info);
    if (ring_init(&d->ring, outputs_bytes(&d->outputs), info.numThreads) && (!d->mask || d->absent))
        return true;
    snprintf(error->text, sizeof error->text, "out of memory");
    return false;
}

static void VS_CC derain_create(const VSMap *in, VSMap *out, void *user_data, VSCore *core, const VSAPI *api)
{
    (void)user_data;
    Derain *d = calloc(1, sizeof *d);
    if (!d) {
        api->mapSetError(out, "Derain: out of memory");
        return;
    }
    d->node = api->mapGetNode(in, "clip", 0, NULL);
    int missing;
    d->mask = api->mapGetNode(in, "mask", 0, &missing);
    HostError error;
    if (!derain_open(d, in, core, api, &error)) {
        char text[sizeof error.text + 16];
        snprintf(text, sizeof text, "Derain: %s", error.text);
        api->mapSetError(out, text);
        derain_free(d, core, api);
        return;
    }
    VSFilterDependency dependencies[] = {{d->node, rpGeneral}, {d->mask, rpGeneral}};
    api->createVideoFilter(out, "Derain", &d->outputs.info[0], derain_get, derain_free, fmUnordered, dependencies,
                           d->mask ? 2 : 1, d, core);
}

static void VS_CC version(const VSMap *in, VSMap *out, void *user_data, VSCore *core, const VSAPI *api)
{
    (void)in, (void)user_data, (void)core;
    api->mapSetData(out, "version", VSJ4R_VERSION, -1, dtUtf8, maReplace);
}

VS_EXTERNAL_API(void) VapourSynthPluginInit2(VSPlugin *plugin, const VSPLUGINAPI *api)
{
    api->configPlugin("io.github.vsj4r", "j4r", "Recurrent video deraining", VS_MAKE_VERSION(VSJ4R_MAJOR, VSJ4R_MINOR),
                      VAPOURSYNTH_API_VERSION, 0, plugin);
    api->registerFunction("Derain", DERAIN_ARGUMENTS, "clip:vnode;", derain_create, NULL, plugin);
    api->registerFunction("Version", "", "version:data;", version, NULL, plugin);
}
