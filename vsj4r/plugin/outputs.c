#include "outputs.h"

#include <string.h>

static const OutputKind KINDS[OUTPUTS_MAX] = OUTPUT_KINDS;

void outputs_init(Outputs *outputs, const VSVideoInfo *clip, const VSMap *arguments, VSCore *core, const VSAPI *api)
{
    int given = api->mapNumElements(arguments, "output"); /* -1 without */
    outputs->count = given < 1 ? 1 : given;
    for (int i = 0; i < outputs->count; i++) {
        const char *name = given < 1 ? KINDS[0].name : api->mapGetData(arguments, "output", i, NULL);
        for (int kind = 0; kind < OUTPUTS_MAX; kind++)
            if (!strcmp(name, KINDS[kind].name))
                outputs->kind[i] = &KINDS[kind];
        outputs->info[i] = *clip;
        if (outputs->kind[i]->is_map)
            api->queryVideoFormat(&outputs->info[i].format, cfGray, clip->format.sampleType, clip->format.bitsPerSample,
                                  0, 0, core);
    }
}

int64_t outputs_bytes(const Outputs *outputs)
{
    int64_t bytes = 0;
    for (int i = 0; i < outputs->count; i++) {
        const VSVideoInfo *info = &outputs->info[i];
        int64_t luma = (int64_t)info->width * info->height * info->format.bytesPerSample;
        int64_t chroma = luma >> (info->format.subSamplingW + info->format.subSamplingH);
        bytes += luma + chroma * (info->format.numPlanes - 1);
    }
    return bytes;
}

/* A map is no picture: it has the full range and no colours. */
static void mark_as_map(VSFrame *frame, const VSAPI *api)
{
    static const char *const colours[] = {"_ColorRange", "_Matrix", "_Transfer", "_Primaries", "_ChromaLocation"};
    VSMap *properties = api->getFramePropertiesRW(frame);
    for (size_t i = 0; i < sizeof colours / sizeof *colours; i++)
        api->mapDeleteKey(properties, colours[i]);
    api->mapSetInt(properties, "_Range", 1, maReplace);
}

void outputs_new(const Outputs *outputs, VSFrame *frames[OUTPUTS_MAX], const VSFrame *source, VSCore *core,
                 const VSAPI *api)
{
    for (int i = 0; i < outputs->count; i++) {
        const VSVideoInfo *info = &outputs->info[i];
        frames[i] = api->newVideoFrame(&info->format, info->width, info->height, source, core);
        if (outputs->kind[i]->is_map)
            mark_as_map(frames[i], api);
    }
}

void outputs_free(const Outputs *outputs, VSFrame *frames[OUTPUTS_MAX], const VSAPI *api)
{
    for (int i = 0; i < outputs->count; i++)
        api->freeFrame(frames[i]);
}

const VSFrame *outputs_join(const Outputs *outputs, VSFrame *frames[OUTPUTS_MAX], double rain, double occlusion,
                            const VSAPI *api)
{
    for (int i = outputs->count - 1; i >= 0; i--) {
        VSMap *properties = api->getFramePropertiesRW(frames[i]);
        api->mapSetFloat(properties, "J4RRain", rain, maReplace);
        api->mapSetFloat(properties, "J4ROcclusion", occlusion, maReplace);
        if (i)
            api->mapConsumeFrame(api->getFramePropertiesRW(frames[0]), outputs->kind[i]->property, frames[i],
                                 maReplace);
    }
    return frames[0];
}
