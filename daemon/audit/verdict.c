/* SPDX-License-Identifier: Apache-2.0 */
/* What verifying found, in words, and what it is held against. */
#include "audit/verify.h"

#include "base/json.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const audit_flaw_names[AUDIT_FLAW_MAX] = {
        [AUDIT_SOUND] = "sound",
        [AUDIT_EDITED] = "edited",
        [AUDIT_MISSING] = "missing",
        [AUDIT_INSERTED] = "inserted",
        [AUDIT_REORDERED] = "reordered",
        [AUDIT_TRUNCATED] = "truncated",
        [AUDIT_FORGED] = "forged",
        [AUDIT_MALFORMED] = "malformed",
};

const char *audit_flaw_name(enum audit_flaw flaw)
{
        return (size_t) flaw < AUDIT_FLAW_MAX ? audit_flaw_names[flaw] : NULL;
}

uint64_t verify_known(const struct verify *verify)
{
        uint64_t known = verify->has_key ? verify->key.seq : 0;

        return verify->anchor && verify->anchor->seq > known ? verify->anchor->seq : known;
}

void verify_found(struct verify *verify, enum audit_flaw flaw, uint64_t seq, uint32_t segment,
                  uint64_t line, const char *format, ...)
{
        struct audit_verdict *verdict = verify->verdict;
        va_list args;

        verdict->flaw = flaw;
        verdict->seq = seq;
        verdict->segment = segment;
        verdict->line = (uint32_t) line;
        va_start(args, format);
        (void) vsnprintf(verdict->what, sizeof verdict->what, format, args);
        va_end(args);
}

int audit_read_anchor(const char *text, struct audit_head *ret, struct error *reterr)
{
        size_t digits = strspn(text, "0123456789");
        const char *digest = text + digits + 1;

        if (digits == 0 || digits > 18 || text[digits] != ':' ||
            strspn(digest, "0123456789abcdef") != CHAIN_HEX_SIZE - 1 ||
            digest[CHAIN_HEX_SIZE - 1] != '\0')
                return error_set(reterr, -EINVAL,
                                 "an anchor is a line's number and digest: 42:<64 hexadecimal"
                                 " digits>");
        *ret = (struct audit_head){ .seq = strtoull(text, NULL, 10) };
        memcpy(ret->digest, digest, CHAIN_HEX_SIZE);
        return 0;
}

struct json_object *audit_verdict_json(const struct audit_verdict *verdict)
{
        struct json_object *json = json_object_new_object(), *head = json_object_new_object();

        json_add_bool(json, "sound", verdict->flaw == AUDIT_SOUND);
        json_add_string(json, "flaw", audit_flaw_name(verdict->flaw));
        json_add_u64(json, "seq", verdict->seq);
        json_add_u64(json, "segment", verdict->segment);
        json_add_u64(json, "line", verdict->line);
        json_add_string(json, "what", verdict->what);
        json_add_u64(json, "lines", verdict->lines);
        json_add_u64(json, "first_seq", verdict->first_seq);
        json_add_bool(json, "macs", verdict->macs);
        json_add_u64(head, "seq", verdict->head.seq);
        json_add_string(head, "digest", verdict->head.digest);
        json_add_u64(head, "segment", verdict->head.segment);
        json_add(json, "head", head);
        return json;
}
