#include "resampling.h"

enum {
    MARGIN = 2,                              /* samples that a row is repeated by at each end */
    PHASE = 8,
    CUBIC = 0,
    LINEAR = 4,
    FIRST = 6, /* floats of a phase, and where its parts begin */
};

void resampling_shrink(const float *plane, int height, int width, int by, float *to)
{
    float share = 1.0f / (float)(by * by);
    for (int y = 0; y < height; y++) {
        float *row = to + (long long)y * width;
        for (int x = 0; x < width; x++)
            row[x] = 0;
        for (int dy = 0; dy < by; dy++) {
            const float *from = plane + ((long long)y * by + dy) * width * by;
            for (int dx = 0; dx < by; dx++)
                for (int x = 0; x < width; x++)
                    row[x] += from[x * by + dx];
        }
        for (int x = 0; x < width; x++)
            row[x] *= share;
    }
}

static inline int within(int row, int height)
{
    return row < 0 ? 0 : row < height ? row : height - 1;
}

static void repeat_ends(float *row, int width)
{
    for (int x = 1; x <= MARGIN; x++) {
        row[-x] = row[0];
        row[width - 1 + x] = row[width - 1];
    }
}

/* The row at a phase below row `y`, from between the rows of `plane`. */
static void cubic_row(const float *plane, int height, int width, int y, const float *phase, float *restrict to)
{
    const float *rows[4], *w = phase + CUBIC;
    for (int tap = 0; tap < 4; tap++)
        rows[tap] = plane + (long long)within(y + (int)phase[FIRST] - 1 + tap, height) * width;
    for (int x = 0; x < width; x++)
        to[x] = rows[0][x] * w[0] + rows[1][x] * w[1] + rows[2][x] * w[2] + rows[3][x] * w[3];
    repeat_ends(to, width);
}

static void linear_row(const float *plane, int height, int width, int y, const float *phase, float *restrict to)
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

void resampling_enlarge(const float *plane, const float *small, const float *change, const float *rain, int height,
                        int width, int by, const float *phases, float most_rain, float least_rain, float least_detail,
                        float *work, float *to)
{
    float *low = work + MARGIN, *shift = low + width + 2 * MARGIN, *wet = shift + width + 2 * MARGIN;
    for (int y = 0; y < height; y++)
        for (int p = 0; p < by; p++) {
            const float *from = plane + ((long long)y * by + p) * width * by;
            float *row = to + ((long long)y * by + p) * width * by;
            cubic_row(small, height, width, y, phases + PHASE * p, low);
            cubic_row(change, height, width, y, phases + PHASE * p, shift);
            linear_row(rain, height, width, y, phases + PHASE * p, wet);
            for (int q = 0; q < by; q++) {
                const float *phase = phases + PHASE * q;
                int first = (int)phase[FIRST];
                for (int x = 0; x < width; x++) {
                    float detail = from[x * by + q] - cubic_at(low + x + first - 1, phase);
                    float amount = linear_at(wet + x + first, phase);
                    float limit = most_rain / (amount > least_rain ? amount : least_rain);
                    limit = limit > least_detail ? limit : least_detail;
                    float kept = detail < limit ? detail : limit;
                    kept = kept > -limit ? kept : -limit;
                    row[x * by + q] = cubic_at(shift + x + first - 1, phase) - (detail - kept);
                }
            }
        }
}
