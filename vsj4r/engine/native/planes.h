/* Rows of samples to floats, and changes added to them; planes of floats summed up. */
#ifndef J4R_PLANES_H
#define J4R_PLANES_H

#include <stddef.h>
#include <stdint.h>

/* to = (row - zero) / span */
void planes_to_floats_8(const uint8_t *row, int width, float zero, float span, float *to);
void planes_to_floats_16(const uint16_t *row, int width, float zero, float span, float *to);

/* to = row + scale * change, rounded to the nearest (halves to even) and clipped to 0 .. top; `top` is below 2^23.
 * Gives 0 where a scaled change is not a finite number: `to` then holds nothing of use. */
int planes_add_8(const uint8_t *row, int width, const float *change, float scale, float top, uint8_t *to);
int planes_add_16(const uint16_t *row, int width, const float *change, float scale, float top, uint16_t *to);

/* A row of floats as a network is shown it: within -1 .. 2; infinity is 1, less than that and no number are 0. */
void planes_shown(const float *row, int width, float *to);

/* to = row + scale * change, and `row` to the bit where that is 0. Gives as planes_add_8. */
int planes_add_shown(const float *row, int width, const float *change, float scale, float *to);

/* The sum of |row|, and of |plane|, whose rows lie `pitch` bytes apart. */
double planes_row_sizes(const float *row, int width);
double planes_sizes(const float *plane, ptrdiff_t pitch, int height, int width);

#endif
