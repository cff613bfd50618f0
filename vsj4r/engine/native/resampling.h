/* Planes of floats to a fraction of their size, and a correction found there back. Rows are contiguous. */
#ifndef J4R_RESAMPLING_H
#define J4R_RESAMPLING_H

enum { RESAMPLING_CUBIC = 4, RESAMPLING_LINEAR = 2 }; /* taps */

/* One of `by` places between two samples: the first tap lies `*_first` samples beyond the sample. */
typedef struct {
    int cubic_first, linear_first;
    float cubic[RESAMPLING_CUBIC], linear[RESAMPLING_LINEAR];
} Phase;

/* How much of what the small plane does not have may stay: at least `least`, `most_rain` / rain, and rain counts at
 * least `least_rain`. */
typedef struct {
    float most_rain, least_rain, least;
} Limits;

/* The mean of each `by` x `by` samples; `height` and `width` are those of `to`. */
void resampling_shrink(const float *plane, int height, int width, int by, float *to);

/* The correction of `plane`, `by` times as large as `small`, `change` and `rain`, whose sides are `height` and `width`:
 * `change` enlarged, less the part of `plane` - `small` enlarged that is beyond the limits. `work` holds 3 * (width + 4)
 * floats. */
void resampling_enlarge(const float *plane, const float *small, const float *change, const float *rain, int height,
                        int width, int by, const Phase *phases, const Limits *limits, float *work, float *to);

#endif
