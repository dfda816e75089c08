/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that ends: for test programs that are linked with $(wrap_memory), which puts this
 * before malloc, calloc, realloc, reallocarray and aligned_alloc of our own code.  Any thread may
 * allocate; one sets it up. */
#pragma once

/* The nth allocation from now on fails; 0: none. */
void faultmem_fail(unsigned nth);
/* How many allocations there were since. */
unsigned faultmem_calls(void);
