/* Planes of whole samples straight to small planes of floats, and corrections found there straight back, a few rows at
 * a time: whole planes of floats would have to pass through memory. `bytes` of a sample: 1 or 2. Rows of samples lie
 * `pitch` bytes apart, rows of floats are contiguous. */
#ifndef J4R_FRAMES_H
#define J4R_FRAMES_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    const void *plane;
    ptrdiff_t pitch;
    int bytes, height, width; /* of the samples; what is enlarged or shrunk may be larger and repeats their edge */
    float zero, span;         /* value = (code - zero) / span */
    int by;
} FramePlane;

/* As planes_to_floats and resampling_shrink, into `to`, (height, width). `work` holds by * by * width floats. */
void frames_shrink(const FramePlane *from, int height, int width, float *work, float *to);

typedef struct {
    const float *small, *change, *rain;
    int height, width;
    const float *phases;
    float most_rain, least_rain, least_detail;
} FrameChange;

/* Some rows of a frame: threads may each take theirs, with `work` of their own. */
typedef struct {
    int first, stop;
} FrameRows;

/* As resampling_enlarge and planes_add: `rows` of `to`. `sizes`: for each row of `to` the sum of the sizes of its
 * changes, not scaled; NaN where one is not a finite number: that row then holds nothing of use. `work` holds
 * 3 * (width + 4) + 2 * by * width floats. */
void frames_restore(const FramePlane *from, const FrameChange *change, FrameRows rows, float scale, float top,
                    float *work, void *to, ptrdiff_t to_pitch, double *sizes);

#endif
