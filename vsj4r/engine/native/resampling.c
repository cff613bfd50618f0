#include "resampling.h"

#include <math.h>

#define ALWAYS_INLINE static inline __attribute__((always_inline))

enum {
    MARGIN = 2, /* samples that a row is repeated by at each end */
    PHASE = 8,
    CUBIC = 0,
    LINEAR = 4,
    FIRST = 6, /* floats of a phase, and where its parts begin */
};

ALWAYS_INLINE void mean_row(const float *restrict from, int width, int by, float *restrict to)
{
    float share = 1.0f / (float)(by * by);
    for (int x = 0; x < width; x++) {
        float sum = 0;
        for (int dy = 0; dy < by; dy++)
            for (int dx = 0; dx < by; dx++)
                sum += from[(long long)dy * width * by + x * by + dx];
        to[x] = sum * share;
    }
}

/* Here and below: by name for what pictures have most, where the compiler makes vectors. */
void resampling_shrink_row(const float *from, int width, int by, float *to)
{
    switch (by) {
    case 2:
        mean_row(from, width, 2, to);
        break;
    case 3:
        mean_row(from, width, 3, to);
        break;
    case 4:
        mean_row(from, width, 4, to);
        break;
    default:
        mean_row(from, width, by, to);
    }
}

void resampling_shrink(const float *plane, int height, int width, int by, float *to)
{
    for (int y = 0; y < height; y++)
        resampling_shrink_row(plane + (long long)y * by * width * by, width, by, to + (long long)y * width);
}

static inline int within(int row, int height)
{
    return row < 0 ? 0 : row < height ? row : height - 1;
}

static inline void repeat_ends(float *row, int width)
{
    for (int x = 1; x <= MARGIN; x++) {
        row[-x] = row[0];
        row[width - 1 + x] = row[width - 1];
    }
}

/* The row at a phase below row `y`, from between the rows of `plane`. */
static inline void cubic_row(const float *plane, int height, int width, int y, const float *phase, float *restrict to)
{
    const float *rows[4], *w = phase + CUBIC;
    for (int tap = 0; tap < 4; tap++)
        rows[tap] = plane + (long long)within(y + (int)phase[FIRST] - 1 + tap, height) * width;
    for (int x = 0; x < width; x++)
        to[x] = rows[0][x] * w[0] + rows[1][x] * w[1] + rows[2][x] * w[2] + rows[3][x] * w[3];
    repeat_ends(to, width);
}

static inline void linear_row(const float *plane, int height, int width, int y, const float *phase, float *restrict to)
{
    const float *rows[2], *w = phase + LINEAR;
    for (int tap = 0; tap < 2; tap++)
        rows[tap] = plane + (long long)within(y + (int)phase[FIRST] + tap, height) * width;
    for (int x = 0; x < width; x++)
        to[x] = rows[0][x] * w[0] + rows[1][x] * w[1];
    repeat_ends(to, width);
}

/* Between samples of a row, the first of them at `from`. */
static inline float cubic_at(const float *from, const float *phase)
{
    const float *w = phase + CUBIC;
    return from[0] * w[0] + from[1] * w[1] + from[2] * w[2] + from[3] * w[3];
}

static inline float linear_at(const float *from, const float *phase)
{
    const float *w = phase + LINEAR;
    return from[0] * w[0] + from[1] * w[1];
}

typedef struct {
    float most_rain, least_rain, least_detail;
} Limits;

/* Of the sample at `phase` of sample x: `low`, `shift` and `wet` are what the row lies between. */
ALWAYS_INLINE float correction(float fine, const float *low, const float *shift, const float *wet, int x,
                               const float *phase, Limits limits)
{
    int first = x + (int)phase[FIRST];
    float detail = fine - cubic_at(low + first - 1, phase);
    float amount = linear_at(wet + first, phase);
    float limit = limits.most_rain / (amount > limits.least_rain ? amount : limits.least_rain);
    limit = limit > limits.least_detail ? limit : limits.least_detail;
    float kept = detail < limit ? detail : limit;
    kept = kept > -limit ? kept : -limit;
    return cubic_at(shift + first - 1, phase) - (detail - kept);
}

/* A row of corrections of `from`. */
static inline void correct_row(const float *restrict from, const float *restrict low, const float *restrict shift,
                               const float *restrict wet, int width, int by, const float *restrict phases,
                               Limits limits, float *restrict to)
{
#define CORRECT(BY, Q) \
    to[(long long)x * BY + Q] = \
        correction(from[(long long)x * BY + Q], low, shift, wet, x, phases + PHASE * (Q), limits)
    switch (by) {
    case 2:
        for (int x = 0; x < width; x++) {
            CORRECT(2, 0);
            CORRECT(2, 1);
        }
        break;
    case 3:
        for (int x = 0; x < width; x++) {
            CORRECT(3, 0);
            CORRECT(3, 1);
            CORRECT(3, 2);
        }
        break;
    case 4:
        for (int x = 0; x < width; x++) {
            CORRECT(4, 0);
            CORRECT(4, 1);
            CORRECT(4, 2);
            CORRECT(4, 3);
        }
        break;
    default:
        for (int q = 0; q < by; q++)
            for (int x = 0; x < width; x++)
                CORRECT(by, q);
    }
#undef CORRECT
}

void resampling_enlarge_row(const float *from, const float *small, const float *change, const float *rain, int height,
                            int width, int by, int row, const float *phases, float most_rain, float least_rain,
                            float least_detail, float *work, float *to)
{
    float *low = work + MARGIN, *shift = low + width + 2 * MARGIN, *wet = shift + width + 2 * MARGIN;
    const float *phase = phases + PHASE * (row % by);
    Limits limits = {most_rain, least_rain, least_detail};
    cubic_row(small, height, width, row / by, phase, low);
    cubic_row(change, height, width, row / by, phase, shift);
    linear_row(rain, height, width, row / by, phase, wet);
    correct_row(from, low, shift, wet, width, by, phases, limits, to);
}

void resampling_enlarge(const float *plane, const float *small, const float *change, const float *rain, int height,
                        int width, int by, const float *phases, float most_rain, float least_rain, float least_detail,
                        float *work, float *to)
{
    for (int row = 0; row < height * by; row++) {
        long long at = (long long)row * width * by;
        resampling_enlarge_row(plane + at, small, change, rain, height, width, by, row, phases, most_rain, least_rain,
                               least_detail, work, to + at);
    }
}

static inline float larger(float a, float b)
{
    return a > b ? a : b;
}

/* Sizes of the samples of `row`; where `halved`, the largest of a pair of them and of the pair below. */
static void sizes_of_row(const float *restrict row, int width, int halved, float *restrict to)
{
    if (halved)
        for (int x = 0; x < width; x++)
            to[x] = larger(larger(fabsf(row[2 * x]), fabsf(row[2 * x + 1])),
                           larger(fabsf(row[2 * (width + x)]), fabsf(row[2 * (width + x) + 1])));
    else
        for (int x = 0; x < width; x++)
            to[x] = fabsf(row[x]);
}

static void largest_beside(const float *restrict sizes, int width, float *restrict to)
{
    for (int x = 0; x < width; x++)
        to[x] = larger(larger(sizes[x - 1], sizes[x + 1]), sizes[x]);
}

/* `above` is the row above `row` as it was, and becomes `row` as it was. */
static void largest_of_rows(float *restrict above, float *restrict row, const float *restrict below, int width)
{
    for (int x = 0; x < width; x++) {
        float own = row[x];
        row[x] = larger(larger(above[x], below[x]), own);
        above[x] = own;
    }
}

void resampling_rain(const float *change, int height, int width, int halved, float *work, float *to)
{
    float *sizes = work + 1, *zeros = sizes + width + 1;
    sizes[-1] = sizes[width] = 0;
    for (int y = 0; y < height; y++) {
        sizes_of_row(change + ((long long)y * width << (halved ? 2 : 0)), width, halved, sizes);
        largest_beside(sizes, width, to + (long long)y * width);
    }
    for (int x = 0; x < width; x++)
        sizes[x] = zeros[x] = 0;
    for (int y = 0; y < height; y++) {
        float *row = to + (long long)y * width;
        largest_of_rows(sizes, row, y + 1 < height ? row + width : zeros, width);
    }
}
