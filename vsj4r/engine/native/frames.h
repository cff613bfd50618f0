/* Frames as they are straight to the planes of floats that a network takes, reduced or not, and its changes straight
 * back, a few rows at a time: whole planes of floats would have to pass through memory. Rows of floats are contiguous.
 * A network's planes are Y, and U and V of half its sides. */
#ifndef J4R_FRAMES_H
#define J4R_FRAMES_H

#include <stddef.h>
#include <stdint.h>

enum { FRAMES_Y, FRAMES_YUV, FRAMES_RGB };

typedef struct {
    const void *planes[3];
    ptrdiff_t pitches[3]; /* bytes from row to row */
    int family;           /* FRAMES_Y, FRAMES_YUV or FRAMES_RGB */
    int bytes;            /* of a sample: 1, 2, or 4 for floats */
    int height, width;    /* of luma; what a network takes may be larger and repeats the edge */
    int ssw, ssh;         /* of FRAMES_YUV: log2 of how much narrower and lower chroma is, 0 or 1 */
    float zeros[2];       /* of luma (R, G and B, too) and of chroma: value = (code - zero) / span */
    float spans[2];
    float shares[3];      /* of FRAMES_RGB: Y = shares * (R, G, B) */
    float differences[2]; /* U = (B - Y) * differences[0], V = (R - Y) * differences[1] */
    int by;               /* how much smaller the network's planes are */
} Frame;

/* Rows, or pairs of them: threads may each take theirs, with `work` of their own. */
typedef struct {
    int first, stop;
} FrameRows;

/* `from` into `y`, (height, width), and `uv`, two planes of half these sides; NULL where the network or the frame has no
 * chroma. `rows`: pairs of rows of `y`. `work` holds frames_work floats. */
void frames_load(const Frame *from, int height, int width, FrameRows rows, float *work, float *y, float *uv);

typedef struct {
    const float *small[3];  /* what frames_load gave */
    const float *change[3]; /* of that, of Y, U and V; NULL for those where the network has no chroma */
    const float *rain[2];   /* resampling_rain of luma and chroma; of what is not reduced, none */
    int height, width;      /* of those of Y */
    const float *shares[2]; /* of the change that counts, for each sample of luma (R, G and B, too) and of chroma; or
                             * NULL */
    const float *phases;    /* this, and what follows: see resampling_enlarge */
    float most_rain, least_rain, least_detail;
    float of_v, of_u;       /* R and B change by Y and these of V and U */
    float of_red, of_blue;  /* G changes by Y less these of what R and B have from V and U */
    float scales[3];        /* codes by which a plane changes for a change of 1; 0: the plane is copied */
    float top;              /* the largest code; not of floats */
} FrameChange;

/* `from`, changed, into `planes`: of whole samples rounded to the nearest and clipped. `rows`: pairs of rows of luma,
 * the last of which may be a single one. `sizes`: for each row of luma the sum of the sizes of its changes, not scaled;
 * NaN where one of its pair or of its chroma is not a finite number: it then holds nothing of use. `work` holds
 * frames_work floats. */
void frames_restore(const Frame *from, const FrameChange *change, FrameRows rows, float *work, void *const planes[3],
                    const ptrdiff_t pitches[3], double *sizes);

/* Floats that the two need for a network's luma of that many samples a row. */
ptrdiff_t frames_work(int width, int by);

#endif
