#include "motion.h"

#include "rows.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum {
    BLOCK = 2,
    HALF_WINDOW = ROWS_WINDOW / 2,
    WINDOW_PX = BLOCK * BLOCK * ROWS_WINDOW * ROWS_WINDOW,
    PENALTY = 77, /* these three are differences summed over a window */
    FAVOUR = 102,
    HEAVY_FAVOUR_16 = 25, /* sixteenths, for each 1 / FINE of a level beyond HEAVY */
    HEAVY = 408,
    FINE = 32,
    COARSEST = 8, /* luma pixels */
    COARSEST_RADIUS = 4,
    MOST_LEVELS = 3,
    PAD = 2 * (2 * COARSEST_RADIUS + 1) + 2, /* beyond the largest displacement and its neighbours */
    REFINED = 9,                             /* candidates of radius 1 */
    SEARCHED = 81,                           /* of COARSEST_RADIUS */
    LINES = 5,
};

/* A picture that repeats its edges PAD pixels beyond them. */
typedef struct Padded {
    uint8_t *first; /* pixel (0, 0) */
    ptrdiff_t stride;
} Padded;

/* One resolution. */
typedef struct Level {
    int height, width;
    const uint8_t *now; /* (height, width) */
    uint8_t *halved;    /* its memory, of the levels below the finest */
    Padded ref, moved;  /* `moved`: ref as the displacements found so far would have it */
} Level;

typedef struct Offset {
    int y, x;
} Offset;

struct Motion {
    int scale, levels;
    Level level[MOST_LEVELS];          /* the finest first */
    Offset beside[REFINED], around[SEARCHED]; /* candidates, the nearest first: where nothing shows, nothing moves */
    int16_t *flow;                     /* of the level above: (2, blocks) */
    int16_t *cost, *which;             /* of each block: the smallest, and its candidate */
    int16_t *with_camera;              /* what its own displacement is weighed against */
    int16_t *row, *sums;               /* of blocks: one row and its edges; five rows for each candidate */
    uint8_t *line[LINES];              /* of pixels, with room for one more on each side */
    uint8_t *memory;                   /* all of it */
};

/* ---------------------------------------------------------------- memory */

/* The candidates of a radius, ordered by distance, then row by row. */
static void order(int radius, Offset *candidates)
{
    int count = 0;
    for (int distance = 0; distance <= 2 * radius; distance++)
        for (int y = -radius; y <= radius; y++)
            for (int x = -radius; x <= radius; x++)
                if (abs(y) + abs(x) == distance)
                    candidates[count++] = (Offset){y, x};
}

/* The next `bytes` of a block of memory, on a line of the cache; `at` NULL only counts. */
static void *take(uint8_t *memory, size_t *used, size_t bytes)
{
    void *taken = memory ? memory + *used : NULL;
    *used += (bytes + 63) / 64 * 64;
    return taken;
}

static Padded take_padded(uint8_t *memory, size_t *used, int height, int width)
{
    ptrdiff_t stride = width + 2 * PAD;
    uint8_t *block = take(memory, used, (size_t)stride * (size_t)(height + 2 * PAD));
    return (Padded){block ? block + PAD * stride + PAD : NULL, stride};
}

/* Give out `memory`, or only count: the bytes. */
static size_t lay_out(Motion *m, int height, int width, uint8_t *memory)
{
    size_t used = 0, blocks = (size_t)height * (size_t)width / (BLOCK * BLOCK), wide = (size_t)width;
    for (int i = 0; i < m->levels; i++) {
        Level *level = &m->level[i];
        level->height = height >> i;
        level->width = width >> i;
        level->ref = take_padded(memory, &used, level->height, level->width);
        level->moved = take_padded(memory, &used, level->height, level->width);
        level->halved = i ? take(memory, &used, (size_t)level->height * (size_t)level->width) : NULL;
    }
    m->flow = take(memory, &used, blocks * 2 * sizeof *m->flow);
    m->cost = take(memory, &used, blocks * sizeof *m->cost);
    m->which = take(memory, &used, blocks * sizeof *m->which);
    m->with_camera = take(memory, &used, blocks * sizeof *m->with_camera);
    m->row = take(memory, &used, (wide + 2 * HALF_WINDOW) * sizeof *m->row);
    m->sums = take(memory, &used, SEARCHED * ROWS_WINDOW * (wide / BLOCK) * sizeof *m->sums);
    for (int i = 0; i < LINES; i++) {
        uint8_t *line = take(memory, &used, (size_t)m->scale * wide + 2);
        m->line[i] = line ? line + 1 : NULL;
    }
    return used;
}

Motion *motion_open(int height, int width, int scale)
{
    Motion *m = calloc(1, sizeof *m);
    if (!m)
        return NULL;
    m->scale = scale;
    for (m->levels = 1; scale << (m->levels - 1) < COARSEST;)
        m->levels++;
    m->memory = calloc(1, lay_out(m, height, width, NULL));
    if (!m->memory) {
        free(m);
        return NULL;
    }
    lay_out(m, height, width, m->memory);
    order(1, m->beside);
    order(COARSEST_RADIUS, m->around);
    return m;
}

void motion_close(Motion *m)
{
    if (m)
        free(m->memory);
    free(m);
}

/* ---------------------------------------------------------------- pictures */

static void repeat_edges(Padded picture, int height, int width, int pad)
{
    for (int y = 0; y < height; y++) {
        uint8_t *row = picture.first + y * picture.stride;
        memset(row - pad, row[0], (size_t)pad);
        memset(row + width, row[width - 1], (size_t)pad);
    }
    const uint8_t *top = picture.first - pad, *bottom = top + (height - 1) * picture.stride;
    for (int y = 1; y <= pad; y++) {
        memcpy(picture.first - pad - y * picture.stride, top, (size_t)(width + 2 * pad));
        memcpy(picture.first - pad + (height - 1 + y) * picture.stride, bottom, (size_t)(width + 2 * pad));
    }
}

/* The minimum of each pixel of a line and its neighbours. */
static void wear_line(uint8_t *line, int width, uint8_t *out)
{
    line[-1] = line[0];
    line[width] = line[width - 1];
    rows_wear(line, width, out);
}

void motion_luma(Motion *m, const float *y, uint8_t *luma)
{
    int height = m->level[0].height, width = m->level[0].width, half = width * m->scale / 2;
    uint8_t *top = m->line[0], *bottom = m->line[1], *halved = m->line[2], *worn[2] = {m->line[3], m->line[4]};
    for (int row = 0; row < height; row++, luma += width) {
        for (int i = 0; i < m->scale / 2; i++, y += 4 * half) {
            rows_quantise(y, 2 * half, top);
            rows_quantise(y + 2 * half, 2 * half, bottom);
            rows_halve(top, bottom, half, halved);
            wear_line(halved, half, m->scale == 2 ? luma : worn[i]);
        }
        if (m->scale == 4)
            rows_halve(worn[0], worn[1], width, luma);
    }
}

/* From a picture with rows `stride` apart to one of half the sides, worn. */
static void halve(Motion *m, const uint8_t *from, ptrdiff_t stride, const Level *to, uint8_t *out, ptrdiff_t out_stride)
{
    for (int y = 0; y < to->height; y++) {
        rows_halve(from + 2 * y * stride, from + (2 * y + 1) * stride, to->width, m->line[0]);
        wear_line(m->line[0], to->width, out + y * out_stride);
    }
}

static void build_levels(Motion *m, const uint8_t *now, const uint8_t *ref)
{
    Level *finest = &m->level[0];
    finest->now = now;
    for (int y = 0; y < finest->height; y++)
        memcpy(finest->ref.first + y * finest->ref.stride, ref + y * finest->width, (size_t)finest->width);
    for (int i = 0; i < m->levels; i++) {
        Level *to = &m->level[i], *from = to - 1;
        if (i) {
            to->now = to->halved;
            halve(m, from->now, from->width, to, to->halved, to->width);
            halve(m, from->ref.first, from->ref.stride, to, to->ref.first, to->ref.stride);
        }
        repeat_edges(to->ref, to->height, to->width, PAD);
    }
}

/* `moved` is `ref` displaced by one offset. */
static void move_whole(const Level *level, Offset by)
{
    for (int y = 0; y < level->height; y++)
        memcpy(level->moved.first + y * level->moved.stride, level->ref.first + (y + by.y) * level->ref.stride + by.x,
               (size_t)level->width);
    repeat_edges(level->moved, level->height, level->width, 1);
}

/* `moved` is `ref` displaced block by block. */
static void move_blocks(const Level *level, const int16_t *dy, const int16_t *dx)
{
    int down = level->height / BLOCK, across = level->width / BLOCK;
    for (int y = 0; y < down; y++) {
        uint8_t *to = level->moved.first + BLOCK * y * level->moved.stride;
        const uint8_t *from = level->ref.first + BLOCK * y * level->ref.stride;
        for (int x = 0; x < across; x++, dy++, dx++, to += BLOCK, from += BLOCK) {
            const uint8_t *at = from + *dy * level->ref.stride + *dx;
            memcpy(to, at, BLOCK);
            memcpy(to + level->moved.stride, at + level->ref.stride, BLOCK);
        }
    }
    repeat_edges(level->moved, level->height, level->width, 1);
}

/* ---------------------------------------------------------------- search */

/* How much the whole frame differs from `picture` displaced by an offset: the sum over the rows of each one's mean,
 * rounded down, in FINE-ths of a level. */
static int64_t overall(const Level *level, Padded picture, Offset by)
{
    int64_t sum = 0;
    for (int y = 0; y < level->height; y++) {
        const uint8_t *other = picture.first + (y + by.y) * picture.stride + by.x;
        sum += FINE * (int64_t)rows_difference(level->now + (ptrdiff_t)y * level->width, other, level->width) /
               level->width;
    }
    return sum;
}

/* Into `cost` and `which`: for each block the smallest sum of differences over its window, and `extra`, among
 * `count` displacements of `picture`; the first of equals. */
static void find_cheapest(Motion *m, const Level *level, Padded picture, const Offset *candidates, const int16_t *extra,
                          int count, int16_t *cost, int16_t *which)
{
    int down = level->height / BLOCK, across = level->width / BLOCK;
    int16_t *row = m->row + HALF_WINDOW;
    for (int i = 0; i < down * across; i++)
        cost[i] = INT16_MAX;
    for (int y = 0, ready = 0; y < down; y++) {
        int last = y + HALF_WINDOW < down ? y + HALF_WINDOW : down - 1;
        for (; ready <= last; ready++) /* sums along the rows, kept for five rows */
            for (int i = 0; i < count; i++) {
                const uint8_t *here = level->now + (ptrdiff_t)BLOCK * ready * level->width;
                const uint8_t *there =
                    picture.first + (BLOCK * ready + candidates[i].y) * picture.stride + candidates[i].x;
                const uint8_t *a[2] = {here, here + level->width}, *b[2] = {there, there + picture.stride};
                rows_blocks(a, b, across, row);
                for (int x = 1; x <= HALF_WINDOW; x++) {
                    row[-x] = row[0];
                    row[across - 1 + x] = row[across - 1];
                }
                rows_window(row, across, m->sums + (ptrdiff_t)(i * ROWS_WINDOW + ready % ROWS_WINDOW) * across);
            }
        for (int i = 0; i < count; i++) {
            const int16_t *summed[ROWS_WINDOW];
            for (int k = 0; k < ROWS_WINDOW; k++) {
                int at = y + k - HALF_WINDOW;
                at = at < 0 ? 0 : at < down ? at : down - 1;
                summed[k] = m->sums + (ptrdiff_t)(i * ROWS_WINDOW + at % ROWS_WINDOW) * across;
            }
            ptrdiff_t begin = (ptrdiff_t)y * across;
            rows_cheapest(summed, across, extra[i], (int16_t)i, cost + begin, which + begin);
        }
    }
}

/* The displacement of the whole frame that differs least; `sums`, where wanted: what each one differs by. */
static Offset find_camera(const Level *level, Padded picture, const Offset *candidates, int count, int64_t *sums)
{
    int best = 0;
    int64_t least = 0;
    for (int i = 0; i < count; i++) {
        int64_t sum = overall(level, picture, candidates[i]);
        if (sums)
            sums[i] = sum;
        if (!i || sum < least) {
            least = sum;
            best = i;
        }
    }
    return candidates[best];
}

static int16_t penalty(Offset by)
{
    return (int16_t)(PENALTY * (abs(by.y) + abs(by.x)));
}

/* The coarsest level: every displacement within the radius. Writes the blocks' into `dy`, `dx`; gives the camera's. */
static Offset search(Motion *m, int16_t *dy, int16_t *dx)
{
    const Level *level = &m->level[m->levels - 1];
    int blocks = level->height * level->width / (BLOCK * BLOCK);
    int64_t sums[SEARCHED];
    int16_t extra[SEARCHED];
    Offset camera = find_camera(level, level->ref, m->around, SEARCHED, sums);
    for (int i = 0; i < SEARCHED; i++)
        extra[i] = (int16_t)(sums[i] / level->height * WINDOW_PX / FINE + penalty(m->around[i]));
    find_cheapest(m, level, level->ref, m->around, extra, SEARCHED, m->cost, m->which);
    for (int i = 0; i < blocks; i++) {
        dy[i] = (int16_t)m->around[m->which[i]].y;
        dx[i] = (int16_t)m->around[m->which[i]].x;
    }
    return camera;
}

/* A finer level: `dy`, `dx`, which hold what the level above found, become one better; so does the camera's. */
static Offset refine(Motion *m, const Level *level, Offset camera, int16_t *dy, int16_t *dx)
{
    static const Offset still[1] = {{0, 0}};
    static const int16_t nothing[1] = {0};
    int blocks = level->height * level->width / (BLOCK * BLOCK);
    move_whole(level, camera);
    Offset by = find_camera(level, level->moved, m->beside, REFINED, NULL);
    camera = (Offset){camera.y + by.y, camera.x + by.x};
    move_whole(level, camera);
    int64_t mean = overall(level, level->moved, still[0]) / level->height;
    int favour = FAVOUR + (mean > HEAVY ? (int)(mean - HEAVY) * HEAVY_FAVOUR_16 / 16 : 0);
    find_cheapest(m, level, level->moved, still, nothing, 1, m->with_camera, m->which);
    move_blocks(level, dy, dx);
    int16_t extra[REFINED];
    for (int i = 0; i < REFINED; i++)
        extra[i] = penalty(m->beside[i]);
    find_cheapest(m, level, level->moved, m->beside, extra, REFINED, m->cost, m->which);
    for (int i = 0; i < blocks; i++) {
        bool joins = m->with_camera[i] <= m->cost[i] + favour;
        dy[i] = (int16_t)(joins ? camera.y : dy[i] + m->beside[m->which[i]].y);
        dx[i] = (int16_t)(joins ? camera.x : dx[i] + m->beside[m->which[i]].x);
    }
    return camera;
}

/* Displacements of blocks in their own pixels to those of the level below, whose blocks their pixels are. */
static void descend(const Level *from, const int16_t *above, int16_t *below)
{
    int down = from->height / BLOCK, across = from->width / BLOCK;
    for (int y = 0; y < BLOCK * down; y++)
        for (int x = 0; x < BLOCK * across; x++)
            below[y * BLOCK * across + x] = (int16_t)(2 * above[y / BLOCK * across + x / BLOCK]);
}

void motion_find(Motion *m, const uint8_t *now, const uint8_t *ref, int16_t *flow)
{
    build_levels(m, now, ref);
    Offset camera = {0, 0};
    for (int i = m->levels - 1; i >= 0; i--) {
        const Level *level = &m->level[i];
        int blocks = level->height * level->width / (BLOCK * BLOCK);
        int16_t *dy = flow, *dx = flow + blocks;
        if (i == m->levels - 1) {
            camera = search(m, dy, dx);
            continue;
        }
        const Level *above = level + 1;
        int fewer = blocks / (BLOCK * BLOCK);
        memcpy(m->flow, flow, (size_t)fewer * 2 * sizeof *flow);
        descend(above, m->flow, dy);
        descend(above, m->flow + fewer, dx);
        camera = refine(m, level, (Offset){2 * camera.y, 2 * camera.x}, dy, dx);
    }
}
