/* SPDX-License-Identifier: Apache-2.0 */
/* Where the log has got to, and the keys of what comes next.
 *
 *     s(1)   = HMAC(seed, "segment")     s(j+1) = HMAC(s(j), "segment")
 *     k(1)   = HMAC(s(j), "line")        k(i+1) = HMAC(k(i), "next")
 *     log id = HMAC(seed, "log"), its first 16 bytes: tells whether a seed is this log's
 *
 * all HMAC-SHA-256.  A chain holds k of the next line and s of the next segment, never those of
 * what was written: nothing of the past can be computed from it.  Plain memory of one thread;
 * who copies one wipes the copy with chain_done(). */
#pragma once
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CHAIN_KEY_BYTES 32
#define CHAIN_HEX_SIZE 65
#define CHAIN_LOG_SIZE 33
#define CHAIN_FILE_BYTES 512 /* the key file: one sector, which a power cut leaves whole */

struct chain {
        char log[CHAIN_LOG_SIZE];
        uint32_t segment; /* 0: none was begun */
        uint64_t line;    /* lines of the segment, the last one's number */
        uint64_t seq;     /* the last line's */
        uint64_t offset;  /* bytes of the segment */
        bool sealed;      /* the last line ended the segment; also before the first one */
        char digest[CHAIN_HEX_SIZE]; /* of the last line */
        uint32_t expired;     /* the last segment that retention removed; 0: none */
        uint64_t expired_seq; /* its last line */
        uint8_t key[CHAIN_KEY_BYTES];
        uint8_t next[CHAIN_KEY_BYTES];
};

/* Before the first segment. */
void chain_begin(const uint8_t seed[static CHAIN_KEY_BYTES], struct chain *ret);
void chain_done(struct chain *chain);

/* The next segment's keys, before its first line; the numbers and the digest go on. */
void chain_next_segment(struct chain *chain);
/* The MAC of the next line over what it covers. */
void chain_mac(const struct chain *chain, const void *bytes, size_t len,
               char ret[static CHAIN_HEX_SIZE]);
/* The key of the line after the next one. */
void chain_next_key(struct chain *chain);
/* The line, without its newline, was written: numbers, digest and key move on. */
void chain_advance(struct chain *chain, const void *line, size_t len);

void chain_digest(const void *bytes, size_t len, char ret[static CHAIN_HEX_SIZE]);
void chain_log_id(const uint8_t seed[static CHAIN_KEY_BYTES], char ret[static CHAIN_LOG_SIZE]);

/* 64 hex digits, white space behind them allowed.  -EINVAL. */
int chain_read_seed(const char *text, uint8_t ret[static CHAIN_KEY_BYTES], struct error *reterr);

/* The key file's content, which ends in a newline and is always of the same size. */
void chain_format(const struct chain *chain, char ret[static CHAIN_FILE_BYTES]);
/* -EBADMSG: it is none, or damaged. */
int chain_parse(const char *text, size_t len, struct chain *ret, struct error *reterr);
