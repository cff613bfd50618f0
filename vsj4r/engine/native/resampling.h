/* Planes of floats to a fraction of their size, and a correction found there back. Rows are contiguous. */
#ifndef J4R_RESAMPLING_H
#define J4R_RESAMPLING_H

/* The mean of each `by` x `by` samples; `height` and `width` are those of `to`. */
void resampling_shrink(const float *plane, int height, int width, int by, float *to);
/* One row of it, from `by` rows. */
void resampling_shrink_row(const float *from, int width, int by, float *to);

/* How much rain lies at a sample of `change` or beside it: the largest size of nine, (height, width). Where `halved`,
 * the sides of `change` are twice as long, and of each four samples the largest size counts. `work` holds 2 * width + 2
 * floats. */
void resampling_rain(const float *change, int height, int width, int halved, float *work, float *to);

/* The correction of `plane`, `by` times as large as `small`, `change` and `rain`, whose sides are `height` and `width`:
 * `change` enlarged, less the part of `plane` - `small` enlarged that is beyond most_rain / rain, where rain counts at
 * least `least_rain`; `least_detail` may stay anywhere. `phases` has 8 floats for each of the `by` places between two
 * samples: weights of four samples (cubic) and of two (linear), and the first of the two, -1 or 0 from the sample.
 * `work` holds 3 * (width + 4) floats. */
void resampling_enlarge(const float *plane, const float *small, const float *change, const float *rain, int height,
                        int width, int by, const float *phases, float most_rain, float least_rain, float least_detail,
                        float *work, float *to);
/* Its row number `row`, `from` being that of the plane. */
void resampling_enlarge_row(const float *from, const float *small, const float *change, const float *rain, int height,
                            int width, int by, int row, const float *phases, float most_rain, float least_rain,
                            float least_detail, float *work, float *to);

#endif
