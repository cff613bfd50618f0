/* Python's stable ABI (3.12), found in the running process: nothing is linked. */
#ifndef VSJ4R_PYTHON_ABI_H
#define VSJ4R_PYTHON_ABI_H

#include <stdbool.h>
#include <stddef.h>

typedef struct PyObject PyObject;
typedef ptrdiff_t Py_ssize_t;

enum { PY_READ = 0x100, PY_WRITE = 0x200 }; /* PyBUF_READ, PyBUF_WRITE */

/* X(result, name, arguments) */
#define PYTHON_SYMBOLS(X) \
    X(int, Py_IsInitialized, (void)) \
    X(int, PyGILState_Ensure, (void)) \
    X(void, PyGILState_Release, (int)) \
    X(PyObject *, PyImport_ImportModule, (const char *)) \
    X(PyObject *, PyObject_CallMethod, (PyObject *, const char *, const char *, ...)) \
    X(int, PyArg_ParseTuple, (PyObject *, const char *, ...)) \
    X(PyObject *, Py_BuildValue, (const char *, ...)) \
    X(PyObject *, PyMemoryView_FromMemory, (char *, Py_ssize_t, int)) \
    X(PyObject *, PyDict_New, (void)) \
    X(int, PyDict_SetItemString, (PyObject *, const char *, PyObject *)) \
    X(PyObject *, PyList_New, (Py_ssize_t)) \
    X(int, PyList_Append, (PyObject *, PyObject *)) \
    X(PyObject *, PyUnicode_DecodeUTF8, (const char *, Py_ssize_t, const char *)) \
    X(const char *, PyUnicode_AsUTF8AndSize, (PyObject *, Py_ssize_t *)) \
    X(PyObject *, PyObject_Str, (PyObject *)) \
    X(PyObject *, PyObject_Repr, (PyObject *)) \
    X(PyObject *, PyErr_GetRaisedException, (void)) \
    X(void, PyErr_Clear, (void)) \
    X(void, Py_DecRef, (PyObject *))

#define PYTHON_MEMBER(result, name, arguments) result(*name) arguments;
typedef struct PythonApi {
    PYTHON_SYMBOLS(PYTHON_MEMBER)
    int (*is_finalizing)(void); /* Py_IsFinalizing, public since 3.13; may be NULL */
} PythonApi;
#undef PYTHON_MEMBER

extern PythonApi python;

/* Find the symbols; false when no Python >= 3.12 is in this process. */
bool python_load(void);

/* Whether Python may be called now: running, and not on its way out. */
bool python_usable(void);

#endif
