// Frames to the network's cells and back, and the gates of the GRU.
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
// Broken floats do not reach the network.
template <>
__device__ __forceinline__ float light(float v, Codes)
{
    return finite(v) ? v : (v > 0.f ? 1.f : 0.f);
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
