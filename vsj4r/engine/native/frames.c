#include "frames.h"

#include <math.h>
#include <string.h>

#include "planes.h"
#include "resampling.h"

static inline int smaller(int a, int b)
{
    return a < b ? a : b;
}

/* Two rows of luma and the row of U and of V that belongs to them. */
typedef struct {
    float *y[2], *uv[2];
} Pair;

static inline int pairs_of(int height)
{
    return (height + 1) / 2;
}

static const char *row_of(const Frame *frame, int plane, int y)
{
    return (const char *)frame->planes[plane] + y * frame->pitches[plane];
}

static void row_to_floats(const Frame *from, int plane, int y, int width, float *to)
{
    const void *row = row_of(from, plane, y);
    int chroma = from->family == FRAMES_YUV && plane > 0;
    float zero = from->zeros[chroma], span = from->spans[chroma];
    if (from->bytes == 1)
        planes_to_floats_8(row, width, zero, span, to);
    else if (from->bytes == 2)
        planes_to_floats_16(row, width, zero, span, to);
    else
        planes_shown(row, width, to);
}

static void repeat_end(float *row, int has, int width)
{
    for (int x = has; x < width; x++)
        row[x] = row[has - 1];
}

static void mean_of_rows(const float *restrict a, const float *restrict b, int width, float *restrict to)
{
    for (int x = 0; x < width; x++)
        to[x] = (a[x] + b[x]) * 0.5f;
}

/* An odd last sample stays as it is. */
static void halve_row(const float *restrict row, int width, float *restrict to)
{
    for (int x = 0; x < width / 2; x++)
        to[x] = (row[2 * x] + row[2 * x + 1]) * 0.5f;
    if (width % 2)
        to[width / 2] = row[width - 1];
}

/* Twice as many samples, at a quarter left and right of each. */
static void double_row(const float *restrict row, int width, float *restrict to)
{
    to[0] = row[0] * 0.75f + row[0] * 0.25f;
    for (int x = 0; x + 1 < width; x++) {
        to[2 * x + 1] = row[x] * 0.75f + row[x + 1] * 0.25f;
        to[2 * x + 2] = row[x + 1] * 0.75f + row[x] * 0.25f;
    }
    to[2 * width - 1] = row[width - 1] * 0.75f + row[width - 1] * 0.25f;
}

static void between_rows(const float *restrict near, const float *restrict far, int width, float *restrict to)
{
    for (int x = 0; x < width; x++)
        to[x] = near[x] * 0.75f + far[x] * 0.25f;
}

static void difference_row(const float *restrict colour, const float *restrict y, float share, int width,
                           float *restrict to)
{
    for (int x = 0; x < width; x++)
        to[x] = (colour[x] - y[x]) * share;
}

static void luma_row(const float *restrict r, const float *restrict g, const float *restrict b,
                     const float *restrict shares, int width, float *restrict to)
{
    for (int x = 0; x < width; x++)
        to[x] = r[x] * shares[0] + g[x] * shares[1] + b[x] * shares[2];
}

/* Two rows of R, G and B. `work` holds 8 * width floats. */
static void pair_of_rgb(const Frame *from, int top, int bottom, float *work, const Pair *to)
{
    int width = from->width;
    float *r = work, *g = r + width, *b = g + width, *u = b + width, *v = u + 2 * width, *mean = v + 2 * width;
    for (int k = 0; k < 2; k++) {
        int y = k ? bottom : top;
        row_to_floats(from, 0, y, width, r);
        row_to_floats(from, 1, y, width, g);
        row_to_floats(from, 2, y, width, b);
        luma_row(r, g, b, from->shares, width, to->y[k]);
        if (to->uv[0]) {
            difference_row(b, to->y[k], from->differences[0], width, u + k * width);
            difference_row(r, to->y[k], from->differences[1], width, v + k * width);
        }
    }
    if (!to->uv[0])
        return;
    mean_of_rows(u, u + width, width, mean);
    halve_row(mean, width, to->uv[0]);
    mean_of_rows(v, v + width, width, mean);
    halve_row(mean, width, to->uv[1]);
}

/* The row of U or V (`plane` 1 or 2) of a pair. `work` holds 3 * width floats. */
static void chroma_of_pair(const Frame *from, int plane, int pair, float *work, float *to)
{
    int width = (from->width + from->ssw) >> from->ssw;
    float *row = from->ssw ? to : work;
    if (from->ssh) {
        row_to_floats(from, plane, pair, width, row);
    } else {
        float *top = work + from->width, *bottom = top + from->width;
        row_to_floats(from, plane, 2 * pair, width, top);
        row_to_floats(from, plane, smaller(2 * pair + 1, from->height - 1), width, bottom);
        mean_of_rows(top, bottom, width, row);
    }
    if (!from->ssw)
        halve_row(row, width, to);
}

/* A pair as `width` floats and half as many of chroma, if `to` has room for chroma; beyond the frame its edge is
 * repeated. `work` holds 8 * from->width floats. */
static void load_pair(const Frame *from, int pair, int width, float *work, const Pair *to)
{
    int last = pairs_of(from->height) - 1, within = smaller(pair, last);
    int top = 2 * within, bottom = smaller(top + 1, from->height - 1);
    if (from->family == FRAMES_RGB) {
        pair_of_rgb(from, top, bottom, work, to);
    } else {
        row_to_floats(from, 0, top, from->width, to->y[0]);
        row_to_floats(from, 0, bottom, from->width, to->y[1]);
        for (int k = 0; k < 2 && to->uv[k]; k++)
            chroma_of_pair(from, 1 + k, within, work, to->uv[k]);
    }
    if (pair > last)
        memcpy(to->y[0], to->y[1], (size_t)from->width * sizeof(float));
    for (int k = 0; k < 2; k++) {
        repeat_end(to->y[k], from->width, width);
        if (to->uv[k])
            repeat_end(to->uv[k], (from->width + 1) / 2, width / 2);
    }
}

void frames_load(const Frame *from, int height, int width, FrameRows rows, float *work, float *y, float *uv)
{
    int by = from->by, large = width * by, half = width / 2;
    float *of_y = work, *of_u = of_y + (ptrdiff_t)2 * by * large, *of_v = of_u + (ptrdiff_t)by * half * by;
    float *rest = of_v + (ptrdiff_t)by * half * by;
    for (int row = rows.first; row < rows.stop; row++) {
        float *into = y + (ptrdiff_t)2 * row * width;
        float *into_u = uv ? uv + (ptrdiff_t)row * half : 0, *into_v = uv ? into_u + (ptrdiff_t)height / 2 * half : 0;
        if (by == 1) {
            load_pair(from, row, width, rest, &(Pair){{into, into + width}, {into_u, into_v}});
            continue;
        }
        for (int k = 0; k < by; k++) {
            float *top = of_y + (ptrdiff_t)2 * k * large;
            ptrdiff_t at = (ptrdiff_t)k * half * by;
            load_pair(from, row * by + k, large, rest,
                      &(Pair){{top, top + large}, {uv ? of_u + at : 0, uv ? of_v + at : 0}});
        }
        resampling_shrink_row(of_y, width, by, into);
        resampling_shrink_row(of_y + (ptrdiff_t)by * large, width, by, into + width);
        if (uv) {
            resampling_shrink_row(of_u, half, by, into_u);
            resampling_shrink_row(of_v, half, by, into_v);
        }
    }
}

/* What is to be added to the pair that is written, and the memory to find it in. */
typedef struct {
    const Frame *from;
    const FrameChange *change;
    int width, half;   /* of the network's planes, times `by` */
    int has_chroma;    /* whether the frame has, and the network */
    float *fine[2][2]; /* luma of this pair and the next */
    float *uv[2][3];   /* corrections of U and V: of the pair before, of this and of the next */
    float *luma;       /* correction of a row of luma, */
    float *chroma[2];  /* of U and V as wide, */
    float *colours[3]; /* and of R, G and B */
    float *shared;     /* a row of any, times its share */
    float *work;
} Corrections;

/* Row `row` of the correction of plane `k`, of which `fine` is that row; where it has to be worked out, in `to`. */
static const float *correction(const Corrections *found, int k, int row, const float *fine, float *work, float *to)
{
    const FrameChange *change = found->change;
    int by = found->from->by, halved = k > 0;
    int height = change->height >> halved, width = change->width >> halved;
    if (by == 1)
        return change->change[k] + (ptrdiff_t)row * width;
    resampling_enlarge_row(fine, change->small[k], change->change[k], change->rain[halved], height, width, by, row,
                           change->phases, change->most_rain, change->least_rain, change->least_detail, work, to);
    return to;
}

static void meet_pair(const Corrections *found, int pair)
{
    float *fine[2] = {found->work, found->work + found->half}, *work = found->work + found->width;
    int has_chroma = found->has_chroma;
    if (found->from->by > 1) {
        float *const *y = found->fine[pair % 2];
        load_pair(found->from, pair, found->width, work,
                  &(Pair){{y[0], y[1]}, {has_chroma ? fine[0] : 0, has_chroma ? fine[1] : 0}});
    }
    for (int k = 0; k < 2 && has_chroma; k++) {
        float *into = found->uv[k][pair % 3];
        const float *row = correction(found, 1 + k, pair, fine[k], work, into);
        if (row != into)
            memcpy(into, row, (size_t)found->half * sizeof(float));
    }
}

/* What U (0) or V of luma's row 2 * `pair` + `k` has, lying between rows of chroma; as wide as luma where it is to be
 * `doubled`. */
static const float *chroma_between(const Corrections *found, int plane, int pair, int k, int doubled)
{
    int last = pairs_of(found->from->height) - 1, half = (found->from->width + 1) / 2;
    int beside = k ? smaller(pair + 1, last) : pair ? pair - 1 : 0;
    float *row = doubled ? found->work : found->chroma[plane];
    between_rows(found->uv[plane][pair % 3], found->uv[plane][beside % 3], half, row);
    if (doubled)
        double_row(row, half, found->chroma[plane]);
    return found->chroma[plane];
}

typedef struct {
    void *const *planes;
    const ptrdiff_t *pitches;
} Target;

static void share_row(const float *restrict row, const float *restrict shares, int width, float *restrict to)
{
    for (int x = 0; x < width; x++)
        to[x] = row[x] * shares[x];
}

/* Whether all of `correction` is finite. */
static int add_row(const Corrections *found, int plane, int y, int width, const float *correction, const Target *to)
{
    const Frame *from = found->from;
    const void *row = row_of(from, plane, y);
    void *into = (char *)to->planes[plane] + y * to->pitches[plane];
    float scale = found->change->scales[plane], top = found->change->top;
    const float *shares = found->change->shares[from->family == FRAMES_YUV && plane > 0];
    if (scale == 0) {
        memcpy(into, row, (size_t)width * (size_t)from->bytes);
        return 1;
    }
    if (shares) {
        share_row(correction, shares + (ptrdiff_t)y * width, width, found->shared);
        correction = found->shared;
    }
    if (from->bytes == 1)
        return planes_add_8(row, width, correction, scale, top, into);
    if (from->bytes == 2)
        return planes_add_16(row, width, correction, scale, top, into);
    return planes_add_shown(row, width, correction, scale, into);
}

static void colours_of(const float *restrict y, const float *restrict u, const float *restrict v,
                       const FrameChange *change, int width, float *restrict r, float *restrict g, float *restrict b)
{
    for (int x = 0; x < width; x++) {
        float red = v[x] * change->of_v, blue = u[x] * change->of_u;
        r[x] = y[x] + red;
        g[x] = y[x] - (red * change->of_red + blue * change->of_blue);
        b[x] = y[x] + blue;
    }
}

/* Row `k` of luma, or of R, G and B. */
static int write_row(const Corrections *found, int pair, int k, const Target *to, double *sizes)
{
    int y = 2 * pair + k, width = found->from->width, finite = 1;
    const float *luma = correction(found, 0, y, found->fine[pair % 2][k], found->work, found->luma);
    sizes[y] = planes_row_sizes(luma, width);
    if (found->from->family != FRAMES_RGB)
        return add_row(found, 0, y, width, luma, to);
    const float *rgb[3] = {luma, luma, luma};
    if (found->has_chroma) {
        const float *u = chroma_between(found, 0, pair, k, 1), *v = chroma_between(found, 1, pair, k, 1);
        float *const *colours = found->colours;
        colours_of(luma, u, v, found->change, width, colours[0], colours[1], colours[2]);
        for (int plane = 0; plane < 3; plane++)
            rgb[plane] = colours[plane];
    }
    for (int plane = 0; plane < 3; plane++)
        finite &= add_row(found, plane, y, width, rgb[plane], to);
    return finite;
}

/* The rows of U and V that belong to a pair: one, or as many as it has. */
static int write_chroma(const Corrections *found, int pair, int count, const Target *to)
{
    const Frame *from = found->from;
    int width = (from->width + from->ssw) >> from->ssw, finite = 1;
    for (int plane = 0; plane < 2; plane++) {
        if (from->ssh) {
            const float *row = found->uv[plane][pair % 3];
            if (!from->ssw) {
                double_row(row, (from->width + 1) / 2, found->chroma[plane]);
                row = found->chroma[plane];
            }
            finite &= add_row(found, 1 + plane, pair, width, row, to);
            continue;
        }
        for (int k = 0; k < count; k++) {
            const float *row = chroma_between(found, plane, pair, k, !from->ssw);
            finite &= add_row(found, 1 + plane, 2 * pair + k, width, row, to);
        }
    }
    return finite;
}

static Corrections new_corrections(const Frame *from, const FrameChange *change, float *work)
{
    int width = change->width * from->by, half = width / 2;
    Corrections found = {.from = from,
                         .change = change,
                         .width = width,
                         .half = half,
                         .has_chroma = from->family != FRAMES_Y && change->change[1]};
    for (int k = 0; k < 4; k++, work += width)
        found.fine[k / 2][k % 2] = work;
    for (int k = 0; k < 6; k++, work += half)
        found.uv[k / 3][k % 3] = work;
    found.luma = work;
    for (int k = 0; k < 2; k++)
        found.chroma[k] = work += width;
    for (int k = 0; k < 3; k++)
        found.colours[k] = work += width;
    found.shared = work += width;
    found.work = work + width;
    return found;
}

void frames_restore(const Frame *from, const FrameChange *change, FrameRows rows, float *work, void *const planes[3],
                    const ptrdiff_t pitches[3], double *sizes)
{
    const Corrections found = new_corrections(from, change, work);
    const Target to = {planes, pitches};
    int pairs = pairs_of(from->height), reaches = found.has_chroma && !(from->family == FRAMES_YUV && from->ssh);
    int met = rows.first > 0 && reaches ? rows.first - 1 : rows.first;
    for (int pair = rows.first; pair < rows.stop; pair++) {
        for (int needed = smaller(pair + 1 + reaches, pairs); met < needed; met++)
            meet_pair(&found, met);
        int count = smaller(2, from->height - 2 * pair), finite = 1;
        for (int k = 0; k < count; k++)
            finite &= write_row(&found, pair, k, &to, sizes);
        if (from->family == FRAMES_YUV)
            finite &= write_chroma(&found, pair, count, &to);
        for (int k = 0; k < count && !finite; k++)
            sizes[2 * pair + k] = (double)NAN;
    }
}

ptrdiff_t frames_work(int width, int by)
{
    ptrdiff_t large = (ptrdiff_t)width * by;
    ptrdiff_t of_load = 3 * by * large + 8 * large;
    ptrdiff_t of_restore = (4 + 3 + 1 + 2 + 3 + 1) * large + 9 * large + 3 * (width + 4);
    return of_load > of_restore ? of_load : of_restore;
}
