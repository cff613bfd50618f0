/* Where each block of a frame lies in another frame: hierarchical block matching on whole numbers.
 *
 * The same displacements, to the bit, as vsj4r/model/alignment.py, which explains them.
 */
#ifndef J4R_MOTION_H
#define J4R_MOTION_H

#include <stdint.h>

enum { MOTION_VERSION = 1 };

/* The memory of one search. */
typedef struct Motion Motion;

/* For a grid of `height` x `width` pixels, each `scale` (2 or 4) luma pixels a side; luma's sides are multiples
 * of 16. NULL: no memory. */
Motion *motion_open(int height, int width, int scale);
void motion_close(Motion *motion);

/* The luma that motion is found in, (height, width), of luma in [0, 1]. */
void motion_luma(Motion *motion, const float *y, uint8_t *luma);

/* Where each block of 2 x 2 pixels of `now` lies in `ref`: (2, height / 2, width / 2), dy before dx, in pixels. */
void motion_find(Motion *motion, const uint8_t *now, const uint8_t *ref, int16_t *flow);

#endif
