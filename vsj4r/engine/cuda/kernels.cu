// Frames to the network's cells and back, frames made smaller and corrections made larger, and the gates of the GRU.
//
// One source for NVRTC (CuPy), nvcc and, over tests/cuda/shim.h, any C++17 compiler. No shared memory, no barriers,
// one owner for every element that is written. reference.py says the same in numpy.
//
// A cell is what the network sees of a frame at one place of its grid: 4^shift samples of luma in raster order, then
// as many of U and of V as 4:2:0 has there, zeros up to `channels`, a multiple of 8. They lie
// side by side, and eight are read and written at once.
// A frame is three planes in one block of memory: Y, U and V at `u_offset`, `v_offset` bytes (0: no chroma), rows at
// `y_pitch`, `uv_pitch` bytes.
#include <cuda_fp16.h>

namespace {

struct Place {
    int x, y;
};

template <class Cell>
struct alignas(16) Eight {
    Cell cell[8];
};

__device__ __forceinline__ float as_float(unsigned char v) { return v; }
__device__ __forceinline__ float as_float(unsigned short v) { return v; }
__device__ __forceinline__ float as_float(float v) { return v; }
__device__ __forceinline__ float as_float(__half v) { return __half2float(v); }

__device__ __forceinline__ void store(float v, float *to) { *to = v; }
__device__ __forceinline__ void store(float v, __half *to) { *to = __float2half_rn(v); }

// fabsf(v) < infinity is false for NaN
__device__ __forceinline__ bool finite(float v) { return fabsf(v) <= 3.402823466e+38f; }

// What the codes of a plane mean: (code - zero) / span; `share` is 1 / span.
struct Codes {
    float zero, span, share;
};

// The quotient as IEEE rounds it (Markstein's correction), without the subroutine that a division is on a GPU.
template <class Pixel>
__device__ __forceinline__ float light(Pixel code, Codes codes)
{
    float v = __fsub_rn(as_float(code), codes.zero);
    float q = __fmul_rn(v, codes.share);
    return __fmaf_rn(__fmaf_rn(-q, codes.span, v), codes.share, q);
}
// a / b as IEEE rounds it, likewise, from a reciprocal that is a few units off. For numbers whose reciprocal and
// quotient are normal; of a `b` that is larger, 0 or NaN.
__device__ __forceinline__ float quotient(float a, float b)
{
    float share = __fdividef(1.f, b);
    share = __fmaf_rn(__fmaf_rn(-b, share, 1.f), share, share);
    float q = __fmul_rn(a, share);
    q = __fmaf_rn(__fmaf_rn(-b, q, a), share, q);
    return __fmaf_rn(__fmaf_rn(-b, q, a), share, q);
}

// Broken floats do not reach the network.
template <>
__device__ __forceinline__ float light(float v, Codes)
{
    return finite(v) ? fminf(fmaxf(v, -1.f), 2.f) : (v > 0.f ? 1.f : 0.f); // SHOWN
}
template <>
__device__ __forceinline__ float light(__half v, Codes codes)
{
    return light(__half2float(v), codes);
}

// Sample number `k` of a cell that has 4^shift of a plane.
__device__ __forceinline__ Place place(int cell_x, int cell_y, int shift, int k)
{
    Place p = {(cell_x << shift) + (k & ((1 << shift) - 1)), (cell_y << shift) + (k >> shift)};
    return p;
}

// The place itself or, beyond the picture, the edge.
__device__ __forceinline__ Place clamped(Place p, int width, int height)
{
    Place q = {p.x < width ? p.x : width - 1, p.y < height ? p.y : height - 1};
    return q;
}

// The number itself or, beyond 0 .. length - 1, the end that is nearer.
__device__ __forceinline__ int within(int at, int length)
{
    return at < 0 ? 0 : at < length ? at : length - 1;
}

template <class Pixel>
__device__ __forceinline__ Pixel sample(const unsigned char *plane, int pitch, Place p)
{
    return ((const Pixel *)(plane + (size_t)p.y * pitch))[p.x];
}

// original + change, the change in codes: integers rounded (half to even) and clipped, floats as they are and to the
// bit where nothing changes.
template <class Pixel>
__device__ __forceinline__ Pixel added(Pixel original, float change, float peak)
{
    float v = rintf(__fadd_rn(change, as_float(original)));
    return (Pixel)fminf(fmaxf(v, 0.f), peak);
}
template <>
__device__ __forceinline__ float added(float original, float change, float)
{
    return change != 0.f ? __fadd_rn(original, change) : original;
}
template <>
__device__ __forceinline__ __half added(__half original, float change, float)
{
    return change != 0.f ? __float2half_rn(__fadd_rn(__half2float(original), change)) : original;
}

template <class Pixel>
__device__ __forceinline__ void change_sample(const unsigned char *before, unsigned char *after, int pitch, Place p,
                                              float residual, float scale, float peak)
{
    float change = finite(residual) ? __fmul_rn(residual, scale) : 0.f;
    Pixel original = before ? sample<Pixel>(before, pitch, p) : Pixel(0.f);
    ((Pixel *)(after + (size_t)p.y * pitch))[p.x] = added(original, change, peak);
}

enum { FIRST = 6 }; // where `phases` says what is the first of two samples

// What lies between `taps` x `taps` samples of a plane of floats, `first` their top left, at these weights: columns,
// then the row of them; the edge repeated beyond the plane.
template <int taps>
__device__ __forceinline__ float between(const unsigned char *plane, int pitch, int width, int height, Place first,
                                         const float *across, const float *down)
{
    float total = 0.f;
#pragma unroll 1 // fewer registers
    for (int i = 0; i < taps; ++i) {
        float column = 0.f;
#pragma unroll
        for (int j = 0; j < taps; ++j) {
            Place p = {within(first.x + i, width), within(first.y + j, height)};
            float part = __fmul_rn(sample<float>(plane, pitch, p), down[j]);
            column = j ? __fadd_rn(column, part) : part;
        }
        float part = __fmul_rn(column, across[i]);
        total = i ? __fadd_rn(total, part) : part;
    }
    return total;
}

} // namespace

// Planes to cells, and luma alone as floats for the motion search; the edge is repeated beyond the picture. One thread
// a cell.
template <class Pixel, class Cell>
__global__ void __launch_bounds__(256)
    pack(const unsigned char *__restrict__ frame, long long u_offset, long long v_offset, int y_pitch, int uv_pitch,
         int width, int height, int grid_width, int grid_height, int shift, int channels, int with_chroma,
         float y_zero, float y_span, float y_share, float uv_zero, float uv_span, float uv_share, float chroma_gain,
         Cell *__restrict__ cells, float *__restrict__ luma)
{
    int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
    if (x >= grid_width || y >= grid_height)
        return;
    Eight<Cell> *groups = (Eight<Cell> *)cells + ((size_t)y * grid_width + x) * (channels / 8);
    int lumas = 1 << (2 * shift), chromas = with_chroma ? lumas / 4 : 0;
    Codes y_codes = {y_zero, y_span, y_share}, uv_codes = {uv_zero, uv_span, uv_share};
#pragma unroll 1
    for (int group = 0; group < channels / 8; ++group) {
        Eight<Cell> eight;
#pragma unroll
        for (int j = 0; j < 8; ++j) {
            int c = group * 8 + j;
            float v = 0.f;
            if (c < lumas) {
                Place p = place(x, y, shift, c);
                v = light(sample<Pixel>(frame, y_pitch, clamped(p, width, height)), y_codes);
                luma[((size_t)p.y * grid_width << shift) + p.x] = v;
            } else if (u_offset && c < lumas + 2 * chromas) {
                int k = c - lumas;
                long long offset = k < chromas ? u_offset : v_offset;
                Place p = clamped(place(x, y, shift - 1, k & (chromas - 1)), (width + 1) / 2, (height + 1) / 2);
                v = chroma_gain * light(sample<Pixel>(frame + offset, uv_pitch, p), uv_codes);
            }
            store(v, &eight.cell[j]);
        }
        groups[group] = eight;
    }
}

// The residual in cells to planes: `after` = `before` + scale * residual, of the same layout. Without `before` (NULL)
// the residual alone. What is no number changes nothing. One thread a cell.
template <class Pixel, class Cell>
__global__ void __launch_bounds__(256)
    unpack(const Cell *__restrict__ cells, const unsigned char *__restrict__ before, long long u_offset,
           long long v_offset, int y_pitch, int uv_pitch, int width, int height, int grid_width, int grid_height,
           int shift, int channels, int with_chroma, float y_scale, float u_scale, float v_scale, float chroma_share,
           float peak, unsigned char *__restrict__ after)
{
    int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
    if (x >= grid_width || y >= grid_height)
        return;
    const Eight<Cell> *groups = (const Eight<Cell> *)cells + ((size_t)y * grid_width + x) * (channels / 8);
    int lumas = 1 << (2 * shift), chromas = with_chroma ? lumas / 4 : 0;
    int half_width = (width + 1) / 2, half_height = (height + 1) / 2;
#pragma unroll 1
    for (int group = 0; group < channels / 8; ++group) {
        Eight<Cell> eight = groups[group];
#pragma unroll
        for (int j = 0; j < 8; ++j) {
            int c = group * 8 + j;
            float residual = as_float(eight.cell[j]);
            if (c < lumas) {
                Place p = place(x, y, shift, c);
                if (p.x < width && p.y < height)
                    change_sample<Pixel>(before, after, y_pitch, p, residual, y_scale, peak);
            } else if (u_offset && c < lumas + 2 * chromas) {
                int k = c - lumas;
                bool is_u = k < chromas;
                long long offset = is_u ? u_offset : v_offset;
                Place p = place(x, y, shift - 1, k & (chromas - 1));
                if (p.x < half_width && p.y < half_height)
                    change_sample<Pixel>(before ? before + offset : before, after + offset, uv_pitch, p,
                                         __fmul_rn(residual, chroma_share), is_u ? u_scale : v_scale, peak);
            }
        }
    }
}

// A plane of a frame that the network sees smaller: the mean of each `by` x `by` samples, the edge repeated beyond the
// picture. `part` is 1 / by^2. One thread for a sample of `small`.
template <class Pixel>
__global__ void __launch_bounds__(256)
    shrink(const unsigned char *__restrict__ plane, int pitch, int width, int height, float zero, float span,
           float share, int by, float part, unsigned char *__restrict__ small, int small_pitch, int small_width,
           int small_height)
{
    int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
    if (x >= small_width || y >= small_height)
        return;
    Codes codes = {zero, span, share};
    float total = 0.f;
#pragma unroll 1
    for (int dy = 0; dy < by; ++dy)
#pragma unroll 1
        for (int dx = 0; dx < by; ++dx) {
            Place p = {x * by + dx, y * by + dy};
            total = __fadd_rn(total, light(sample<Pixel>(plane, pitch, clamped(p, width, height)), codes));
        }
    ((float *)(small + (size_t)y * small_pitch))[x] = __fmul_rn(total, part);
}

// How much rain lies at a sample or beside it: the largest |change| of luma there, of nine samples, or of the 36 that
// chroma's nine lie on (`side` 1 or 2). One thread for a sample of `rain`.
__global__ void __launch_bounds__(256)
    find_rain(const unsigned char *__restrict__ change, int change_pitch, int width, int height, int side,
              unsigned char *__restrict__ rain, int rain_pitch, int rain_width, int rain_height)
{
    int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
    if (x >= rain_width || y >= rain_height)
        return;
    float largest = 0.f;
#pragma unroll 1
    for (int row = (y - 1) * side; row < (y + 2) * side; ++row)
#pragma unroll 1
        for (int column = (x - 1) * side; column < (x + 2) * side; ++column) {
            Place p = {within(column, width), within(row, height)};
            largest = fmaxf(largest, fabsf(sample<float>(change, change_pitch, p)));
        }
    ((float *)(rain + (size_t)y * rain_pitch))[x] = largest;
}

// The correction that was found on `small`, a plane of the frame made smaller, at the frame's size: `change` enlarged,
// less rain's own edges. Those are in the detail, which the frame has and `small` has not; where there is `rain`,
// detail beyond most_rain / rain is taken away. `phases` holds 8 floats for each of the `by` places that a sample is
// enlarged to: weights of four samples (cubic) and of two (linear), and the first of the two, -1 or 0 from the sample.
// `after` = `before` + scale * correction; without `before` (NULL) the correction alone. `levels` (NULL: nobody
// asks): the sum of |correction| over the picture's samples that a sample of `small` became. One thread for a sample
// of `small`.
template <class Pixel>
__global__ void __launch_bounds__(256)
    enlarge(const unsigned char *__restrict__ frame, int pitch, int width, int height, float zero, float span,
            float share, const unsigned char *__restrict__ small, const unsigned char *__restrict__ change,
            const unsigned char *__restrict__ rain, int small_pitch, int small_width, int small_height, int by,
            const float *__restrict__ phases, float most_rain, float least_rain, float least_detail,
            const unsigned char *__restrict__ before, float scale, float peak, unsigned char *__restrict__ after,
            float *__restrict__ levels)
{
    int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
    if (x >= small_width || y >= small_height)
        return;
    Codes codes = {zero, span, share};
    float level = 0.f;
#pragma unroll 1
    for (int dy = 0; dy < by; ++dy)
#pragma unroll 1
        for (int dx = 0; dx < by; ++dx) {
            Place p = {x * by + dx, y * by + dy};
            if (p.x >= width || p.y >= height)
                continue;
            const float *down = phases + 8 * dy, *across = phases + 8 * dx;
            Place cubic = {x + (int)across[FIRST] - 1, y + (int)down[FIRST] - 1}, linear = {cubic.x + 1, cubic.y + 1};
            float amount = between<2>(rain, small_pitch, small_width, small_height, linear, across + 4, down + 4);
            float limit = fmaxf(quotient(most_rain, fmaxf(amount, least_rain)), least_detail);
            float detail = __fsub_rn(light(sample<Pixel>(frame, pitch, p), codes),
                                     between<4>(small, small_pitch, small_width, small_height, cubic, across, down));
            float kept = fmaxf(fminf(detail, limit), -limit);
            float correction =
                __fsub_rn(between<4>(change, small_pitch, small_width, small_height, cubic, across, down),
                          __fsub_rn(detail, kept));
            change_sample<Pixel>(before, after, pitch, p, correction, scale, peak);
            level = finite(correction) ? __fadd_rn(level, fabsf(correction)) : level;
        }
    if (levels)
        levels[(size_t)y * small_width + x] = level;
}

// Eq. 14, between its convolutions. `gates` holds z and then r, before their activations: 2 * channels at each pixel;
// all else has `channels`, a multiple of 8. One thread for 8 numbers.
//
// read = max(0, r) * h
template <class Cell>
__global__ void __launch_bounds__(256)
    gru_read(const Cell *__restrict__ gates, const Cell *__restrict__ h, Cell *__restrict__ read, int pixels,
             int channels)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x, groups = channels / 8;
    if (i >= pixels * groups)
        return;
    size_t gate = (size_t)(i / groups) * 2 * groups + groups + i % groups;
    Eight<Cell> r = ((const Eight<Cell> *)gates)[gate], memory = ((const Eight<Cell> *)h)[i], out;
#pragma unroll
    for (int j = 0; j < 8; ++j)
        store(__fmul_rn(fmaxf(as_float(r.cell[j]), 0.f), as_float(memory.cell[j])), &out.cell[j]);
    ((Eight<Cell> *)read)[i] = out;
}

// after = (1 - z) * h + z * tanh(candidate), z = sigmoid(gate)
template <class Cell>
__global__ void __launch_bounds__(256)
    gru_write(const Cell *__restrict__ gates, const Cell *__restrict__ candidate, const Cell *__restrict__ h,
              Cell *__restrict__ after, int pixels, int channels)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x, groups = channels / 8;
    if (i >= pixels * groups)
        return;
    size_t gate = (size_t)(i / groups) * 2 * groups + i % groups;
    Eight<Cell> z_gate = ((const Eight<Cell> *)gates)[gate], q = ((const Eight<Cell> *)candidate)[i],
                memory = ((const Eight<Cell> *)h)[i], out;
#pragma unroll
    for (int j = 0; j < 8; ++j) {
        float z = __fdividef(1.f, __fadd_rn(1.f, expf(-as_float(z_gate.cell[j]))));
        float kept = __fmul_rn(__fsub_rn(1.f, z), as_float(memory.cell[j]));
        store(__fadd_rn(kept, __fmul_rn(z, tanhf(as_float(q.cell[j])))), &out.cell[j]);
    }
    ((Eight<Cell> *)after)[i] = out;
}
