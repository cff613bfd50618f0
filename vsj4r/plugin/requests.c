#include "requests.h"

#include <stdlib.h>

bool held_move(Held *held, int first, int last, const bool *absent, int but, VSNode *node, VSFrameContext *context,
               const VSAPI *api)
{
    bool asked = false;
    for (int i = held->first; i <= held->last; i++)
        if (i < first || i > last)
            api->releaseFrameEarly(node, i, context);
    for (int i = first; i <= last; i++) {
        bool known_absent = absent && absent[i] && i != but;
        if ((i < held->first || i > held->last) && !known_absent) {
            api->requestFrameFilter(i, node, context);
            asked = true;
        }
    }
    *held = (Held){first, last};
    return asked;
}

Request *request_open(Request **list, int n)
{
    Request *request = malloc(sizeof *request);
    if (request) {
        *request = (Request){.n = n, .source = HELD_NONE, .mask = HELD_NONE, .next = *list};
        *list = request;
    }
    return request;
}

const VSFrame *request_close(Request **list, Request *request)
{
    const VSFrame *finished = request->finished;
    while (*list != request)
        list = &(*list)->next;
    *list = request->next;
    free(request);
    return finished;
}

void requests_give(Request *list, int n, const VSFrame *out, const VSAPI *api)
{
    for (Request *request = list; request; request = request->next)
        if (request->n == n && !request->finished)
            request->finished = api->addFrameRef(out);
}

void requests_fail(Request *list, int n, const HostError *error)
{
    for (Request *request = list; request; request = request->next)
        if (request->n == n && !request->finished) {
            request->failed = true;
            request->error = *error;
        }
}
