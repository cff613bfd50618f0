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
