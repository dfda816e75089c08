/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/faultmem.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

static atomic_uint calls, failing_call;

void faultmem_fail(unsigned nth)
{
        atomic_store(&failing_call, 0);
        atomic_store(&calls, 0);
        atomic_store(&failing_call, nth);
}

unsigned faultmem_calls(void)
{
        return atomic_load(&calls);
}

static bool fails(void)
{
        if (atomic_fetch_add(&calls, 1) + 1 != atomic_load(&failing_call))
                return false;
        errno = ENOMEM;
        return true;
}

/* The linker's names for the function that is stood before, and for what stands there. */
#pragma GCC diagnostic ignored "-Wmissing-prototypes"

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__real_reallocarray(void *memory, size_t n, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);

void *__wrap_malloc(size_t size)
{
        return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
        return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *memory, size_t size)
{
        return fails() ? NULL : __real_realloc(memory, size);
}

void *__wrap_reallocarray(void *memory, size_t n, size_t size)
{
        return fails() ? NULL : __real_reallocarray(memory, n, size);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
        return fails() ? NULL : __real_aligned_alloc(alignment, size);
}
