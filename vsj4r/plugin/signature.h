/* What core.j4r.Derain takes and gives: written by scripts/signature.py. */
#ifndef VSJ4R_SIGNATURE_H
#define VSJ4R_SIGNATURE_H

#define DERAIN_ARGUMENTS \
    "clip:vnode;" \
    "model:data:opt;" \
    "strength:float:opt;" \
    "device:data:opt;" \
    "precision:data:opt;" \
    "threads:int:opt;" \
    "num_streams:int:opt;" \
    "downscale:int:opt;" \
    "segment:int:opt;" \
    "warmup:int:opt;" \
    "bidirectional:int:opt;" \
    "scene_detect:int:opt;" \
    "scenes:int[]:opt:empty;" \
    "qpfile:data:opt;" \
    "mask:vnode:opt;" \
    "planes:int[]:opt;" \
    "output:data[]:opt;" \
    "tile:int[]:opt;"

enum { OUTPUTS_MAX = 3 };

/* Name, the property under which it rides, and whether it is a map: GRAY of full range. */
#define OUTPUT_KINDS { \
    {"derained", "J4RDerained", false}, \
    {"rain", "J4RRainLayer", false}, \
    {"occlusion", "J4ROcclusionMap", true}}

#endif
