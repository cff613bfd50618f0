/* Planes of whole samples to floats, and changes added to them. Rows lie `pitch` bytes apart. */
#ifndef J4R_PLANES_H
#define J4R_PLANES_H

#include <stddef.h>
#include <stdint.h>

/* to = (plane - zero) / span */
void planes_to_floats_8(const uint8_t *plane, ptrdiff_t pitch, int height, int width, float zero, float span, float *to,
                        ptrdiff_t to_pitch);
void planes_to_floats_16(const uint16_t *plane, ptrdiff_t pitch, int height, int width, float zero, float span,
                         float *to, ptrdiff_t to_pitch);

/* to = plane + scale * change, rounded to the nearest (halves to even) and clipped to 0 .. top; `top` is below 2^23.
 * Gives 0 where a scaled change is not a finite number: `to` then holds nothing of use. */
int planes_add_8(const uint8_t *plane, ptrdiff_t pitch, int height, int width, const float *change,
                 ptrdiff_t change_pitch, float scale, float top, uint8_t *to, ptrdiff_t to_pitch);
int planes_add_16(const uint16_t *plane, ptrdiff_t pitch, int height, int width, const float *change,
                  ptrdiff_t change_pitch, float scale, float top, uint16_t *to, ptrdiff_t to_pitch);

/* A row of floats as a network is shown it: within -1 .. 2, 0 where it is not a number. */
void planes_shown(const float *row, int width, float *to);

/* to = row + scale * change, and `row` to the bit where that is 0. Gives as planes_add_8. */
int planes_add_shown(const float *row, int width, const float *change, float scale, float *to);

/* The sum of |plane|. */
double planes_sizes(const float *plane, ptrdiff_t pitch, int height, int width);

#endif
