#include "frames.h"

#include <math.h>

#include "planes.h"
#include "resampling.h"

/* Row `y` as `width` floats; beyond its ends the edge is repeated. */
static void row_to_floats(const FramePlane *from, int y, int width, float *to)
{
    const char *row = (const char *)from->plane + (y < from->height ? y : from->height - 1) * from->pitch;
    if (from->bytes == 1)
        planes_to_floats_8((const uint8_t *)row, 0, 1, from->width, from->zero, from->span, to, 0);
    else
        planes_to_floats_16((const uint16_t *)(const void *)row, 0, 1, from->width, from->zero, from->span, to, 0);
    for (int x = from->width; x < width; x++)
        to[x] = to[from->width - 1];
}

void frames_shrink(const FramePlane *from, int height, int width, float *work, float *to)
{
    int by = from->by;
    for (int y = 0; y < height; y++) {
        for (int k = 0; k < by; k++)
            row_to_floats(from, y * by + k, width * by, work + (ptrdiff_t)k * width * by);
        resampling_shrink_row(work, width, by, to + (ptrdiff_t)y * width);
    }
}

void frames_restore(const FramePlane *from, const FrameChange *change, FrameRows rows, float scale, float top,
                    float *work, void *to, ptrdiff_t to_pitch, double *sizes)
{
    int width = change->width * from->by;
    float *row = work, *corrected = row + width;
    for (int y = rows.first; y < rows.stop; y++) {
        const char *codes = (const char *)from->plane + y * from->pitch;
        char *into = (char *)to + y * to_pitch;
        row_to_floats(from, y, width, row);
        resampling_enlarge_row(row, change->small, change->change, change->rain, change->height, change->width,
                               from->by, y, change->phases, change->most_rain, change->least_rain, change->least_detail,
                               corrected + width, corrected);
        int finite = from->bytes == 1 ? planes_add_8((const uint8_t *)codes, 0, 1, from->width, corrected, 0, scale,
                                                     top, (uint8_t *)into, 0)
                                      : planes_add_16((const uint16_t *)(const void *)codes, 0, 1, from->width,
                                                      corrected, 0, scale, top, (uint16_t *)(void *)into, 0);
        sizes[y] = finite ? planes_sizes(corrected, 0, 1, from->width) : (double)NAN;
    }
}
