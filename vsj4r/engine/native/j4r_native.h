/* What Python calls (library.py). No Python, no VapourSynth: plain memory in, plain memory out. */
#ifndef J4R_NATIVE_H
#define J4R_NATIVE_H

#include "frames.h"
#include "motion.h"
#include "planes.h"
#include "resampling.h"

#ifdef _WIN32
#define J4R_EXPORT __declspec(dllexport)
#else
#define J4R_EXPORT __attribute__((visibility("default")))
#endif

/* See motion.h. */
J4R_EXPORT int j4r_motion_version(void);
J4R_EXPORT Motion *j4r_motion_open(int height, int width, int scale);
J4R_EXPORT void j4r_motion_close(Motion *motion);
J4R_EXPORT void j4r_motion_luma(Motion *motion, const float *y, uint8_t *luma);
J4R_EXPORT void j4r_motion_find(Motion *motion, const uint8_t *now, const uint8_t *ref, int16_t *flow);

/* See planes.h. */
J4R_EXPORT double j4r_planes_sizes(const float *plane, ptrdiff_t pitch, int height, int width);

/* See resampling.h. */
J4R_EXPORT void j4r_resampling_shrink(const float *plane, int height, int width, int by, float *to);
J4R_EXPORT void j4r_resampling_enlarge(const float *plane, const float *small, const float *change, const float *rain,
                                       int height, int width, int by, const float *phases, float most_rain,
                                       float least_rain, float least_detail, float *work, float *to);
J4R_EXPORT void j4r_resampling_rain(const float *change, int height, int width, int halved, float *work, float *to);

/* See frames.h. */
J4R_EXPORT ptrdiff_t j4r_frames_work(int width, int by);
J4R_EXPORT void j4r_frames_load(const Frame *from, int height, int width, int first, int stop, float *work, float *y,
                                float *uv);
J4R_EXPORT void j4r_frames_restore(const Frame *from, const FrameChange *change, int first, int stop, float *work,
                                   void *const planes[3], const ptrdiff_t pitches[3], double *sizes);

#endif
