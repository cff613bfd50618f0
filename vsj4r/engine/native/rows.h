/* Arithmetic on single rows of pixels and of blocks. */
#ifndef J4R_ROWS_H
#define J4R_ROWS_H

#include <stdint.h>

enum {
    ROWS_LEVELS = 256,    /* of quantised luma */
    ROWS_TRUNCATION = 38, /* the most that a pixel's difference counts, in levels */
    ROWS_WINDOW = 5,      /* blocks along each side of a window */
};

/* Luma in [0, 1] to levels, rounded down; NaN is 0. */
void rows_quantise(const float *y, int width, uint8_t *out);

/* Two rows of 2 * `width` to one: the mean of four, halves rounded up. */
void rows_halve(const uint8_t *top, const uint8_t *bottom, int width, uint8_t *out);

/* The minimum of each pixel and its two neighbours; `row` reaches one pixel beyond both ends. */
void rows_wear(const uint8_t *row, int width, uint8_t *out);

/* The sum of truncated differences. */
uint32_t rows_difference(const uint8_t *a, const uint8_t *b, int width);

/* The same for each block of 2 x 2 pixels, of two rows of each picture. */
void rows_blocks(const uint8_t *const a[2], const uint8_t *const b[2], int blocks, int16_t *out);

/* The sum of five blocks around each; `row` reaches two beyond both ends. */
void rows_window(const int16_t *row, int blocks, int16_t *out);

/* The sum of five rows and `extra`: where it is below `best`, it becomes `best`, and `candidate` `which`. */
void rows_cheapest(const int16_t *const rows[ROWS_WINDOW], int blocks, int16_t extra, int16_t candidate, int16_t *best,
                   int16_t *which);

#endif
