/* The frames that one evaluation writes: the first is the filter's, the others ride on it as frame properties. */
#ifndef VSJ4R_OUTPUTS_H
#define VSJ4R_OUTPUTS_H

#include "signature.h"

#include <VapourSynth4.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct OutputKind {
    const char *name, *property;
    bool is_map;
} OutputKind;

typedef struct Outputs {
    int count;
    VSVideoInfo info[OUTPUTS_MAX];
    const OutputKind *kind[OUTPUTS_MAX];
} Outputs;

/* From the argument `output`, which has been checked; the first kind when it was not given. */
void outputs_init(Outputs *outputs, const VSVideoInfo *clip, const VSMap *arguments, VSCore *core, const VSAPI *api);

/* Bytes of all frames together. */
int64_t outputs_bytes(const Outputs *outputs);

void outputs_new(const Outputs *outputs, VSFrame *frames[OUTPUTS_MAX], const VSFrame *source, VSCore *core,
                 const VSAPI *api);
void outputs_free(const Outputs *outputs, VSFrame *frames[OUTPUTS_MAX], const VSAPI *api);

/* The filter's frame, with the levels and the other frames on it. Takes over the references. */
const VSFrame *outputs_join(const Outputs *outputs, VSFrame *frames[OUTPUTS_MAX], double rain, double occlusion,
                            const VSAPI *api);

#endif
