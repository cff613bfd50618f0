// Every kernel variant by the name that NVRTC knows it by.
#include "shim.h"

#include KERNELS // kernels.cu, or a planted bug
#include <string.h>

struct Entry {
    const char *name;
    void (*call)(void **);
};

#define ENTRY(...) {#__VA_ARGS__, decltype(signature(&__VA_ARGS__))::call<&__VA_ARGS__>},
#ifdef FEW // enough to tell a planted bug
#define PIXELS FRAMES(unsigned char) FRAMES(float)
#else
#define PIXELS FRAMES(unsigned char) FRAMES(unsigned short) FRAMES(float) FRAMES(__half)
#endif
#define CELLS(kernel, Pixel) ENTRY(kernel<Pixel, __half>) ENTRY(kernel<Pixel, float>)
#define FRAMES(Pixel) CELLS(pack, Pixel) CELLS(unpack, Pixel) ENTRY(shrink<Pixel>) ENTRY(enlarge<Pixel>)
#define GATES(kernel) ENTRY(kernel<__half>) ENTRY(kernel<float>)

static const Entry entries[] = {PIXELS ENTRY(find_rain) GATES(gru_read) GATES(gru_write)};

// 0: done. 1: there is no such kernel. `order` are the numbers of all blocks.
extern "C" int launch(const char *name, unsigned grid_x, unsigned grid_y, unsigned block_x, unsigned block_y,
                      unsigned threads, const unsigned *order, void **arguments)
{
    for (const Entry &entry : entries)
        if (!strcmp(entry.name, name)) {
            run_launch({entry.call, arguments, dim3(grid_x, grid_y), dim3(block_x, block_y), order, grid_x * grid_y,
                        threads, 0});
            return 0;
        }
    return 1;
}
