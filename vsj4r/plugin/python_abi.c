#if !defined(_WIN32)
#define _GNU_SOURCE /* RTLD_DEFAULT, dladdr */
#endif
#include "python_abi.h"

#include <stdatomic.h>

#if defined(_WIN32)
#include <windows.h>
#else
#include <dlfcn.h>
#endif

PythonApi python;

#if defined(_WIN32)
static void *find(const char *name)
{
    /* the stable ABI; then 3.12's private _Py_IsFinalizing */
    static const char *const libraries[] = {"python3.dll", "python312.dll"};
    for (size_t i = 0; i < sizeof libraries / sizeof *libraries; i++) {
        HMODULE library = GetModuleHandleA(libraries[i]);
        void *symbol = library ? (void *)GetProcAddress(library, name) : NULL;
        if (symbol)
            return symbol;
    }
    return NULL;
}

static void stay_loaded(void)
{
    HMODULE library;
    GetModuleHandleExA(GET_MODULE_HANDLE_EX_FLAG_PIN | GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS, (const char *)&python,
                       &library);
}
#else
static void *find(const char *name)
{
    return dlsym(RTLD_DEFAULT, name); /* the executable, or the libpython that it or libvsscript loaded */
}

static void stay_loaded(void)
{
    Dl_info library;
    if (dladdr(&python, &library))
        dlopen(library.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE);
}
#endif

static bool load(void)
{
    PythonApi found;
#define PYTHON_FIND(result, name, arguments) \
    if (!(found.name = (result(*) arguments)find(#name))) \
        return false;
    PYTHON_SYMBOLS(PYTHON_FIND)
#undef PYTHON_FIND
    found.is_finalizing = (int (*)(void))find("Py_IsFinalizing");
    if (!found.is_finalizing)
        found.is_finalizing = (int (*)(void))find("_Py_IsFinalizing");
    python = found;
    stay_loaded(); /* VapourSynth unloads a plugin with its core, but Python calls host_quit when it ends */
    return true;
}

bool python_load(void)
{
    static atomic_flag loading = ATOMIC_FLAG_INIT;
    static bool loaded; /* once: the workers of another filter may be reading `python` */
    while (atomic_flag_test_and_set(&loading))
        ;
    if (!loaded)
        loaded = load();
    bool is_usable = loaded;
    atomic_flag_clear(&loading);
    return is_usable;
}

bool python_usable(void)
{
    return python.Py_IsInitialized && python.Py_IsInitialized() && !(python.is_finalizing && python.is_finalizing());
}
