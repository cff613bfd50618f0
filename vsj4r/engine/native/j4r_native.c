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

ptrdiff_t j4r_frames_work(int width, int by)
{
    return frames_work(width, by);
}

void j4r_frames_load(const Frame *from, int height, int width, int first, int stop, float *work, float *y, float *uv)
{
    frames_load(from, height, width, (FrameRows){first, stop}, work, y, uv);
}

void j4r_frames_restore(const Frame *from, const FrameChange *change, int first, int stop, float *work,
                        void *const planes[3], const ptrdiff_t pitches[3], double *sizes)
{
    frames_restore(from, change, (FrameRows){first, stop}, work, planes, pitches, sizes);
}
