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

/* The sum of |plane|. */
double planes_sizes(const float *plane, ptrdiff_t pitch, int height, int width);

#endif
