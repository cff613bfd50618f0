// Barrier-free CUDA C on the CPU: blocks are shared out to threads in any order, each block's threads run in turn.
// The conversions of __half are NVIDIA's own, from the host side of cuda_fp16.h. Needs no C++ library.
#pragma once
#include <cuda_fp16.h>
#include <math.h>
#include <pthread.h>
#include <stddef.h>
#include <vector_types.h>

#undef __global__
#undef __device__
#undef __forceinline__
#undef __launch_bounds__
#define __global__ static
#define __device__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __restrict__ __restrict

static thread_local uint3 blockIdx, threadIdx;
static thread_local dim3 blockDim, gridDim;

// volatile: no compiler may fuse two of these into one with a single rounding
static inline float __fmul_rn(float a, float b) { volatile float v = a * b; return v; }
static inline float __fadd_rn(float a, float b) { volatile float v = a + b; return v; }
static inline float __fsub_rn(float a, float b) { volatile float v = a - b; return v; }
static inline float __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }
static inline float __fdividef(float a, float b) { return nextafterf(nextafterf(a / b, 0), 0); } // 2 ulp off

// Calls a kernel with arguments by address, as cuLaunchKernel does.
template <class... Left> struct Call;
template <> struct Call<> {
    template <class Kernel, class... Done> static void run(Kernel kernel, void **, Done... done) { kernel(done...); }
};
template <class First, class... Left> struct Call<First, Left...> {
    template <class Kernel, class... Done> static void run(Kernel kernel, void **arguments, Done... done)
    {
        Call<Left...>::run(kernel, arguments + 1, done..., *(First *)arguments[0]);
    }
};
template <class... All> struct Kernel {
    typedef void (*Function)(All...);
    template <Function kernel> static void call(void **arguments) { Call<All...>::run(kernel, arguments); }
};
template <class... All> Kernel<All...> signature(void (*)(All...));

struct Launch {
    void (*call)(void **);
    void **arguments;
    dim3 grid, block;
    const unsigned *order; // of the blocks: arbitrary on a GPU
    unsigned blocks, threads, me;
};

static void *run_blocks(void *opaque)
{
    const Launch &launch = *(const Launch *)opaque;
    blockDim = launch.block;
    gridDim = launch.grid;
    for (unsigned k = launch.me; k < launch.blocks; k += launch.threads) { // a fixed split: TSan sees every race
        unsigned b = launch.order[k];
        blockIdx = {b % gridDim.x, b / gridDim.x, 0};
        for (unsigned y = 0; y < blockDim.y; ++y)
            for (unsigned x = 0; x < blockDim.x; ++x) {
                threadIdx = {x, y, 0};
                launch.call(launch.arguments);
            }
    }
    return 0;
}

enum { MAX_THREADS = 16 };

static void run_launch(Launch launch)
{
    pthread_t threads[MAX_THREADS];
    Launch each[MAX_THREADS];
    for (unsigned t = 0; t < launch.threads; ++t) {
        each[t] = launch;
        each[t].me = t;
        if (t)
            pthread_create(&threads[t], 0, run_blocks, &each[t]);
    }
    run_blocks(&each[0]);
    for (unsigned t = 1; t < launch.threads; ++t)
        pthread_join(threads[t], 0);
}
