#include "host_calls.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

/* What does not fit is cut between two characters. */
static void take_text(HostError *error, const char *text)
{
    size_t size = strlen(text);
    if (size > HOST_TEXT_MAX) {
        size = HOST_TEXT_MAX;
        while (size && ((unsigned char)text[size] & 0xC0) == 0x80)
            size--;
    }
    memcpy(error->text, text, size);
    error->text[size] = '\0';
}

/* Take the raised exception as text, or what it is where it has none. */
static void take_exception(HostError *error)
{
    PyObject *exception = python.PyErr_GetRaisedException();
    PyObject *string = exception ? python.PyObject_Str(exception) : NULL;
    const char *text = string ? python.PyUnicode_AsUTF8AndSize(string, NULL) : NULL;
    if (text && !*text) {
        python.Py_DecRef(string);
        string = python.PyObject_Repr(exception);
        text = string ? python.PyUnicode_AsUTF8AndSize(string, NULL) : NULL;
    }
    take_text(error, text && *text ? text : "Python raised an exception without a text");
    python.PyErr_Clear(); /* str() itself may have raised */
    if (string)
        python.Py_DecRef(string);
    if (exception)
        python.Py_DecRef(exception);
}

/* Drop the result of a call that returns None; false and `error` if it raised. */
static bool took_effect(PyObject *result, HostError *error)
{
    if (!result) {
        take_exception(error);
        return false;
    }
    python.Py_DecRef(result);
    return true;
}

/* A thread that waits for the GIL when Python ends never returns, and its core waits for it for ever. So Python calls
 * host_quit before it ends: from then on nobody enters, and it goes on when nobody is inside. */
static atomic_int inside;
static atomic_bool quitting;

static int host_quit(void)
{
    atomic_store(&quitting, true);
    return atomic_load(&inside);
}

static bool enter(void)
{
    atomic_fetch_add(&inside, 1);
    if (!atomic_load(&quitting) && python_usable())
        return true;
    atomic_fetch_sub(&inside, 1);
    return false;
}

bool host_lock(int *gil, HostError *error)
{
    if (!enter()) {
        snprintf(error->text, sizeof error->text, "Python is shutting down");
        return false;
    }
    *gil = python.PyGILState_Ensure();
    return true;
}

void host_unlock(int gil)
{
    python.PyGILState_Release(gil);
    atomic_fetch_sub(&inside, 1);
}

/* One value of a map as a new Python object, NULL with an exception on failure. */
static PyObject *map_value(const VSMap *map, const char *key, int index, const VSAPI *api)
{
    switch (api->mapGetType(map, key)) {
    case ptInt:
        return python.Py_BuildValue("L", (long long)api->mapGetInt(map, key, index, NULL));
    case ptFloat:
        return python.Py_BuildValue("d", api->mapGetFloat(map, key, index, NULL));
    default: /* the signature leaves only data, which is text */
        return python.PyUnicode_DecodeUTF8(api->mapGetData(map, key, index, NULL),
                                           api->mapGetDataSize(map, key, index, NULL), "replace");
    }
}

/* All values of a key as a list, NULL with an exception on failure. */
static PyObject *map_values(const VSMap *map, const char *key, const VSAPI *api)
{
    PyObject *list = python.PyList_New(0);
    for (int i = 0; list && i < api->mapNumElements(map, key); i++) {
        PyObject *value = map_value(map, key, i, api);
        bool stored = value && python.PyList_Append(list, value) == 0;
        if (value)
            python.Py_DecRef(value);
        if (!stored) {
            python.Py_DecRef(list);
            return NULL;
        }
    }
    return list;
}

/* The arguments that were given, without the clips, as a dict of lists. */
static PyObject *arguments_dict(const VSMap *map, const VSAPI *api)
{
    PyObject *dict = python.PyDict_New();
    for (int i = 0; dict && i < api->mapNumKeys(map); i++) {
        const char *key = api->mapGetKey(map, i);
        if (api->mapGetType(map, key) == ptVideoNode)
            continue;
        PyObject *value = map_values(map, key, api);
        bool stored = value && python.PyDict_SetItemString(dict, key, value) == 0;
        if (value)
            python.Py_DecRef(value);
        if (!stored) {
            python.Py_DecRef(dict);
            return NULL;
        }
    }
    return dict;
}

/* What VSVideoInfo says, as `Clip` of vsj4r/plugin/arguments.py reads it; None for NULL. */
static PyObject *info_dict(const VSVideoInfo *info, const VSAPI *api)
{
    char name[33] = "";
    if (!info)
        return python.Py_BuildValue("");
    const VSVideoFormat *format = &info->format;
    api->getVideoFormatName(format, name);
    return python.Py_BuildValue("{s:s,s:i,s:i,s:i,s:i,s:i,s:i,s:i,s:i}", "format", name, "family", format->colorFamily,
                                "sample", format->sampleType, "bits", format->bitsPerSample, "ssw",
                                format->subSamplingW, "ssh", format->subSamplingH, "width", info->width, "height",
                                info->height, "frames", info->numFrames);
}

PyObject *host_open(const VSVideoInfo *clip, const VSVideoInfo *mask, const VSMap *arguments, const VSAPI *api,
                    HostError *error)
{
    PyObject *host = NULL;
    PyObject *module = python.PyImport_ImportModule("vsj4r.plugin.host");
    if (module &&
        !took_effect(python.PyObject_CallMethod(module, "before_exit", "(n)", (Py_ssize_t)host_quit), error)) {
        python.Py_DecRef(module);
        return NULL;
    }
    if (module)
        host = python.PyObject_CallMethod(module, "open_host", "(NNN)", info_dict(clip, api), info_dict(mask, api),
                                          arguments_dict(arguments, api));
    if (!host)
        take_exception(error);
    if (module)
        python.Py_DecRef(module);
    return host;
}

void host_close(PyObject *host)
{
    HostError ignored;
    int gil;
    if (!host || !host_lock(&gil, &ignored))
        return;
    python.Py_DecRef(host);
    host_unlock(gil);
}

bool host_reads(PyObject *host, int n, HostRun *run, HostError *error)
{
    PyObject *answer = python.PyObject_CallMethod(host, "reads", "(i)", n);
    bool read = answer && python.PyArg_ParseTuple(answer, "p(iiiiiip)", &run->look, &run->target, &run->first,
                                                  &run->keep, &run->stop, &run->last, &run->ahead, &run->backward);
    if (!read)
        take_exception(error);
    if (answer)
        python.Py_DecRef(answer);
    return read;
}

/* A property of a frame, or `absent`. */
static int property(const VSFrame *frame, const char *key, int absent, const VSAPI *api)
{
    int missing = 0;
    int value = api->mapGetIntSaturated(api->getFramePropertiesRO(frame), key, 0, &missing);
    return missing ? absent : value;
}

/* 1 full, 0 limited, -1 not stated. _ColorRange is the older property, with the opposite meaning. */
static int range_of(const VSFrame *frame, const VSAPI *api)
{
    int range = property(frame, "_Range", -1, api);
    int old = property(frame, "_ColorRange", -1, api);
    return range >= 0 || old < 0 ? range : !old;
}

/* One plane's memory as a memoryview; None where the format has no such plane. */
static PyObject *plane_memory(const VSFrame *frame, VSFrame *writable, int plane, const VSAPI *api)
{
    if (plane >= api->getVideoFrameFormat(frame)->numPlanes)
        return python.Py_BuildValue("");
    Py_ssize_t bytes = api->getStride(frame, plane) * api->getFrameHeight(frame, plane);
    if (writable)
        return python.PyMemoryView_FromMemory((char *)api->getWritePtr(writable, plane), bytes, PY_WRITE);
    return python.PyMemoryView_FromMemory((char *)api->getReadPtr(frame, plane), bytes, PY_READ);
}

static Py_ssize_t stride(const VSFrame *frame, int plane, const VSAPI *api)
{
    return plane < api->getVideoFrameFormat(frame)->numPlanes ? api->getStride(frame, plane) : 0;
}

/* J4RStrength as a float, or as a text where it is no number; None where the frame has none. */
static PyObject *strength_of(const VSFrame *frame, const VSAPI *api)
{
    const VSMap *properties = api->getFramePropertiesRO(frame);
    switch (api->mapGetType(properties, "J4RStrength")) {
    case ptInt:
        return python.Py_BuildValue("d", (double)api->mapGetInt(properties, "J4RStrength", 0, NULL));
    case ptFloat:
        return python.Py_BuildValue("d", api->mapGetFloat(properties, "J4RStrength", 0, NULL));
    case ptUnset:
        return python.Py_BuildValue("");
    case ptData:
        return python.PyUnicode_DecodeUTF8(api->mapGetData(properties, "J4RStrength", 0, NULL),
                                           api->mapGetDataSize(properties, "J4RStrength", 0, NULL), "replace");
    default:
        return python.Py_BuildValue("s", "neither number nor text");
    }
}

/* A frame as `Frame` of vsj4r/plugin/frame.py; `writable` is the same frame or NULL. */
static PyObject *frame_tuple(const VSFrame *frame, VSFrame *writable, const VSAPI *api)
{
    return python.Py_BuildValue(
        "((NNN)(nnn)iiiiN)", plane_memory(frame, writable, 0, api), plane_memory(frame, writable, 1, api),
        plane_memory(frame, writable, 2, api), stride(frame, 0, api), stride(frame, 1, api), stride(frame, 2, api),
        range_of(frame, api), property(frame, "_Matrix", -1, api), property(frame, "_FieldBased", 0, api),
        property(frame, "_SceneChangePrev", -1, api), strength_of(frame, api));
}

bool host_look(PyObject *host, int i, const VSFrame *source, const VSAPI *api, HostError *error)
{
    return took_effect(python.PyObject_CallMethod(host, "look", "(iN)", i, frame_tuple(source, NULL, api)), error);
}

/* Frames as a list, NULL with an exception on failure; `writable` are the same frames or NULL. */
static PyObject *frame_list(const VSFrame *const *frames, VSFrame *const *writable, int count, const VSAPI *api)
{
    PyObject *list = python.PyList_New(0);
    for (int i = 0; list && i < count; i++) {
        PyObject *frame = frame_tuple(frames[i], writable ? writable[i] : NULL, api);
        bool stored = frame && python.PyList_Append(list, frame) == 0;
        if (frame)
            python.Py_DecRef(frame);
        if (!stored) {
            python.Py_DecRef(list);
            return NULL;
        }
    }
    return list;
}

StepResult host_step(PyObject *host, int i, const HostRun *run, HostFrames *frames, const VSAPI *api, HostError *error)
{
    PyObject *mask = frames->mask ? frame_tuple(frames->mask, NULL, api) : python.Py_BuildValue("");
    PyObject *answer =
        python.PyObject_CallMethod(host, "step", "(iiiNNN)", i, run->target, run->backward,
                                   frame_list(frames->sources, NULL, frames->source_count, api), mask,
                                   frame_list((const VSFrame *const *)frames->outs, frames->outs, frames->count, api));
    const char *refusal = NULL;
    StepResult result = STEP_DONE;
    if (!answer || !python.PyArg_ParseTuple(answer, "ddz", &frames->rain, &frames->occlusion, &refusal)) {
        take_exception(error);
        result = STEP_FAILED;
    } else if (refusal) {
        take_text(error, refusal);
        result = STEP_REFUSED;
    }
    if (answer)
        python.Py_DecRef(answer);
    return result;
}

void host_forget(PyObject *host, int n)
{
    HostError ignored;
    took_effect(python.PyObject_CallMethod(host, "forget", "(i)", n), &ignored);
}
