#include "j4r_native.h"

int j4r_motion_version(void)
{
    return MOTION_VERSION;
}

Motion *j4r_motion_open(int height, int width, int scale)
{
    return motion_open(height, width, scale);
}

void j4r_motion_close(Motion *motion)
{
    motion_close(motion);
}

void j4r_motion_luma(Motion *motion, const float *y, uint8_t *luma)
{
    motion_luma(motion, y, luma);
}

void j4r_motion_find(Motion *motion, const uint8_t *now, const uint8_t *ref, int16_t *flow)
{
    motion_find(motion, now, ref, flow);
}

void j4r_planes_to_floats(int bytes, const void *plane, ptrdiff_t pitch, int height, int width, float zero, float span,
                          float *to, ptrdiff_t to_pitch)
{
    if (bytes == 1)
        planes_to_floats_8(plane, pitch, height, width, zero, span, to, to_pitch);
    else
        planes_to_floats_16(plane, pitch, height, width, zero, span, to, to_pitch);
}

int j4r_planes_add(int bytes, const void *plane, ptrdiff_t pitch, int height, int width, const float *change,
                   ptrdiff_t change_pitch, float scale, float top, void *to, ptrdiff_t to_pitch)
{
    if (bytes == 1)
        return planes_add_8(plane, pitch, height, width, change, change_pitch, scale, top, to, to_pitch);
    return planes_add_16(plane, pitch, height, width, change, change_pitch, scale, top, to, to_pitch);
}

double j4r_planes_sizes(const float *plane, ptrdiff_t pitch, int height, int width)
{
    return planes_sizes(plane, pitch, height, width);
}

void j4r_resampling_shrink(const float *plane, int height, int width, int by, float *to)
{
    resampling_shrink(plane, height, width, by, to);
}

void j4r_resampling_enlarge(const float *plane, const float *small, const float *change, const float *rain, int height,
                            int width, int by, const float *phases, float most_rain, float least_rain,
                            float least_detail, float *work, float *to)
{
    resampling_enlarge(plane, small, change, rain, height, width, by, phases, most_rain, least_rain, least_detail, work,
                       to);
}

void j4r_resampling_rain(const float *change, int height, int width, int halved, float *work, float *to)
{
    resampling_rain(change, height, width, halved, work, to);
}

void j4r_frames_shrink(const FramePlane *from, int height, int width, float *work, float *to)
{
    frames_shrink(from, height, width, work, to);
}

void j4r_frames_restore(const FramePlane *from, const FrameChange *change, int first, int stop, float scale, float top,
                        float *work, void *to, ptrdiff_t to_pitch, double *sizes)
{
    frames_restore(from, change, (FrameRows){first, stop}, scale, top, work, to, to_pitch, sizes);
}
