/* Plain loops, which the compiler turns into vectors. */
#include "rows.h"

#include <string.h>

enum { CHUNK = 256 };

void rows_quantise(const float *restrict y, int width, uint8_t *restrict out)
{
    for (int x = 0; x < width; x++) {
        float level = y[x] * ROWS_LEVELS;
        level = level > 0 ? level : 0; /* NaN too */
        level = level < ROWS_LEVELS - 1 ? level : ROWS_LEVELS - 1;
        out[x] = (uint8_t)(int)level;
    }
}

/* Pixels 2x and 2x + 1 added: as one number of 16 bits, which vectors take apart faster than two of 8. */
static inline uint16_t pair_sum(const uint8_t *row, int x)
{
    uint16_t pair;
    memcpy(&pair, row + 2 * x, sizeof pair);
    return (uint16_t)((pair & 0xff) + (pair >> 8));
}

void rows_halve(const uint8_t *restrict top, const uint8_t *restrict bottom, int width, uint8_t *restrict out)
{
    for (int x = 0; x < width; x++)
        out[x] = (uint8_t)((uint16_t)(pair_sum(top, x) + pair_sum(bottom, x) + 2) >> 2);
}

void rows_wear(const uint8_t *restrict row, int width, uint8_t *restrict out)
{
    for (int x = 0; x < width; x++) {
        uint8_t beside = row[x - 1] < row[x + 1] ? row[x - 1] : row[x + 1];
        out[x] = beside < row[x] ? beside : row[x];
    }
}

static inline uint8_t truncated(uint8_t a, uint8_t b)
{
    uint8_t more = a > b ? a : b, less = a > b ? b : a;
    uint8_t difference = (uint8_t)(more - less);
    return difference < ROWS_TRUNCATION ? difference : ROWS_TRUNCATION;
}

uint32_t rows_difference(const uint8_t *restrict a, const uint8_t *restrict b, int width)
{
    uint32_t sum = 0;
    for (int x = 0; x < width; x++)
        sum += truncated(a[x], b[x]);
    return sum;
}

void rows_blocks(const uint8_t *const a[2], const uint8_t *const b[2], int blocks, int16_t *restrict out)
{
    const uint8_t *restrict a_0 = a[0], *restrict a_1 = a[1], *restrict b_0 = b[0], *restrict b_1 = b[1];
    uint8_t column[2 * CHUNK];
    for (int first = 0; first < blocks; first += CHUNK) {
        int count = blocks - first < CHUNK ? blocks - first : CHUNK;
        for (int x = 0; x < 2 * count; x++) {
            int at = 2 * first + x;
            column[x] = (uint8_t)(truncated(a_0[at], b_0[at]) + truncated(a_1[at], b_1[at]));
        }
        for (int x = 0; x < count; x++)
            out[first + x] = (int16_t)pair_sum(column, x);
    }
}

void rows_window(const int16_t *restrict row, int blocks, int16_t *restrict out)
{
    for (int x = 0; x < blocks; x++)
        out[x] = (int16_t)(row[x - 2] + row[x - 1] + row[x] + row[x + 1] + row[x + 2]);
}

void rows_cheapest(const int16_t *const rows[ROWS_WINDOW], int blocks, int16_t extra, int16_t candidate,
                   int16_t *restrict best, int16_t *restrict which)
{
    const int16_t *restrict r_0 = rows[0], *restrict r_1 = rows[1], *restrict r_2 = rows[2], *restrict r_3 = rows[3],
                            *restrict r_4 = rows[4];
    for (int x = 0; x < blocks; x++) {
        int16_t cost = (int16_t)(r_0[x] + r_1[x] + r_2[x] + r_3[x] + r_4[x] + extra);
        int16_t better = (int16_t)-(cost < best[x]); /* all bits or none */
        which[x] = (int16_t)((candidate & better) | (which[x] & ~better));
        best[x] = (int16_t)((cost & better) | (best[x] & ~better));
    }
}
