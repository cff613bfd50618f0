#include "held.h"

bool held_move(Held *held, int first, int last, const bool *absent, VSNode *node, VSFrameContext *context,
               const VSAPI *api)
{
    bool asked = false;
    for (int i = held->first; i <= held->last; i++)
        if (i < first || i > last)
            api->releaseFrameEarly(node, i, context);
    for (int i = first; i <= last; i++)
        if ((i < held->first || i > held->last) && !(absent && absent[i])) {
            api->requestFrameFilter(i, node, context);
            asked = true;
        }
    *held = (Held){first, last};
    return asked;
}
