/* SPDX-License-Identifier: Apache-2.0 */
/* The least server that a chat of the OpenAI shape can be measured against: one process of its
 * own, one epoll loop, the same answer to everybody.  A request that asks for a stream gets
 * `pieces` pieces, one each `gap_usec`. */
#pragma once
#include <stdint.h>
#include <sys/types.h>

struct stub {
        pid_t pid;
        uint16_t port;
};

int stub_start(uint32_t pieces, uint64_t gap_usec, struct stub *ret);
void stub_stop(struct stub *stub);
