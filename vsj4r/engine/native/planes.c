#include "planes.h"

#include <math.h>
#include <string.h>

/* Numbers from 2^23 to 2^24 are whole, so adding it and taking it away rounds what is between 0 and 2^23. */
static const float WHOLE = 8388608.0f;

static inline int32_t is_not_finite(float number)
{
    uint32_t bits;
    memcpy(&bits, &number, sizeof bits);
    return (bits & 0x7f800000u) == 0x7f800000u;
}

static inline float clipped(float number, float top)
{
    number = number > 0 ? number : 0;
    return number < top ? number : top;
}

/* The same for 8 and 16 bits. The compiler must not join a multiplication and an addition (-ffp-contract=off). */
#define DEFINE_PLANES(BITS, SAMPLE) \
    void planes_to_floats_##BITS(const SAMPLE *restrict row, int width, float zero, float span, float *restrict to) \
    { \
        for (int x = 0; x < width; x++) \
            to[x] = ((float)row[x] - zero) / span; \
    } \
\
    int planes_add_##BITS(const SAMPLE *restrict row, int width, const float *restrict change, float scale, float top, \
                          SAMPLE *restrict to) \
    { \
        int32_t wrong = 0; \
        for (int x = 0; x < width; x++) { \
            float scaled = change[x] * scale; \
            wrong |= is_not_finite(scaled); \
            to[x] = (SAMPLE)(int32_t)((clipped(scaled + (float)row[x], top) + WHOLE) - WHOLE); \
        } \
        return !wrong; \
    }

DEFINE_PLANES(8, uint8_t)
DEFINE_PLANES(16, uint16_t)

void planes_shown(const float *restrict row, int width, float *restrict to)
{
    for (int x = 0; x < width; x++) {
        float value = is_not_finite(row[x]) ? (row[x] > 0 ? 1.0f : 0.0f) : row[x];
        value = value > -1.0f ? value : -1.0f;
        to[x] = value < 2.0f ? value : 2.0f;
    }
}

int planes_add_shown(const float *restrict row, int width, const float *restrict change, float scale,
                     float *restrict to)
{
    int32_t wrong = 0;
    for (int x = 0; x < width; x++) {
        float scaled = change[x] * scale;
        wrong |= is_not_finite(scaled);
        to[x] = scaled != 0 ? row[x] + scaled : row[x];
    }
    return !wrong;
}

double planes_row_sizes(const float *row, int width)
{
    enum { PARTS = 8 }; /* which vectors add side by side */
    float sums[PARTS] = {0};
    int x = 0;
    for (; x + PARTS <= width; x += PARTS)
        for (int k = 0; k < PARTS; k++)
            sums[k] += fabsf(row[x + k]);
    double total = 0;
    for (int k = 0; k < PARTS; k++)
        total += (double)sums[k];
    for (; x < width; x++)
        total += (double)fabsf(row[x]);
    return total;
}

double planes_sizes(const float *plane, ptrdiff_t pitch, int height, int width)
{
    double total = 0;
    for (int y = 0; y < height; y++)
        total += planes_row_sizes((const float *)(const void *)((const char *)plane + y * pitch), width);
    return total;
}
