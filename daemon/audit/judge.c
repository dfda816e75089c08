/* SPDX-License-Identifier: Apache-2.0 */
/* What was done to a line that is not the next one of the chain.
 *
 * Where it happened is known already: at that line, or, by digests alone, perhaps at the one
 * before.  What happened is told by where else the line that should be there is, whether this one
 * is there twice, and whether it is one that the log wrote, by its MAC or, without the seed, by
 * the line that names its digest. */
#include "audit/verify.h"

#include <string.h>

#define AHEAD_MAX (1U << 20) /* how many lines ahead in its segment a line is looked for */

/* What one look at the whole log finds. */
struct found {
        uint64_t copies;       /* lines with the same bytes, this one among them */
        bool elsewhere;        /* the line that should be here is at another place */
        bool later;            /* … of the same segment */
        bool vouched;          /* some line has the next number and names this one's digest */
        bool followed;         /* the one right behind it does */
        bool goes_on;          /* a line has the number after the one that should be here */
};

struct suspect {
        uint32_t segment;
        uint64_t offset;
        char text[LINE_BYTES_MAX];
        size_t len;
        bool whole;
        bool shaped; /* `line` is filled */
        struct line line;
        char digest[CHAIN_HEX_SIZE];
};

static bool is_expected(const struct verify *verify, const struct line *line)
{
        if (verify->macs)
                return line->seq == verify->chain.seq + 1 && line_mac_fits(line, &verify->chain);
        return line_follows(line, &verify->chain);
}

static void look_at(const struct verify *verify, const struct suspect *suspect, uint32_t segment,
                    const struct segment_line *at, bool behind, struct found *found)
{
        bool itself = segment == suspect->segment && at->offset == suspect->offset;
        struct line line;

        if (at->len > 0 && at->len == suspect->len &&
            memcmp(at->text, suspect->text, at->len) == 0)
                found->copies++;
        if (itself || !at->whole || !line_read(at->text, at->len, &line))
                return;
        found->goes_on |= line.seq == verify->chain.seq + 2;
        if (is_expected(verify, &line)) {
                found->elsewhere = true;
                found->later |= segment == suspect->segment && at->offset > suspect->offset;
        }
        if (suspect->shaped && line.seq == suspect->line.seq + 1 &&
            memcmp(line.prev, suspect->digest, CHAIN_HEX_SIZE - 1) == 0) {
                found->vouched = true;
                found->followed |= behind;
        }
}

static int look_at_segment(const struct verify *verify, const struct suspect *suspect,
                           uint32_t segment, bool *behind, struct found *found,
                           struct error *reterr)
{
        cleanup_(segment_reader_free_cleanup) struct segment_reader *reader = NULL;
        int fd = segment_open(verify->dirfd, segment, reterr);
        int r = fd < 0 ? fd : segment_reader_new(fd, &reader, reterr);
        struct segment_line at;

        while (r == 0 && (r = segment_reader_next(reader, &at, reterr)) > 0) {
                look_at(verify, suspect, segment, &at, *behind, found);
                *behind = segment == suspect->segment && at.offset == suspect->offset;
                r = 0;
        }
        return r;
}

static int look_around(const struct verify *verify, const struct suspect *suspect,
                       struct found *found, struct error *reterr)
{
        bool behind = false;
        int r = 0;

        *found = (struct found){ 0 };
        for (size_t i = 0; r == 0 && i < verify->n; i++)
                r = look_at_segment(verify, suspect, verify->numbers[i], &behind, found, reterr);
        /* the last line of all has the key file behind it */
        if (r == 0 && suspect->shaped && verify->has_key &&
            verify->key.seq == suspect->line.seq &&
            memcmp(verify->key.digest, suspect->digest, CHAIN_HEX_SIZE) == 0)
                found->vouched = found->followed = true;
        return r;
}

/* A line that the log wrote, with a higher number than the one that should be here. */
static bool is_early(const struct verify *verify, const struct suspect *suspect,
                     const struct found *found)
{
        struct chain chain = verify->chain;
        uint64_t ahead;
        bool fits;

        if (!suspect->shaped || suspect->line.seq <= chain.seq + 1)
                return false;
        if (!verify->macs)
                return found->vouched;
        ahead = suspect->line.seq - chain.seq - 1;
        for (uint64_t i = 0; i < ahead && ahead <= AHEAD_MAX; i++)
                chain_next_key(&chain);
        fits = line_mac_fits(&suspect->line, &chain);
        chain_done(&chain);
        return fits;
}

/* By digests alone an edited line shows at the one behind it, which is sound. */
static bool was_before(const struct verify *verify, const struct suspect *suspect,
                       const struct found *found)
{
        return !verify->macs && suspect->shaped && suspect->line.seq == verify->chain.seq + 1 &&
               !line_follows(&suspect->line, &verify->chain) && verify->lines > 0 &&
               found->vouched && !found->elsewhere;
}

static enum audit_flaw judge(const struct verify *verify, const struct suspect *suspect,
                             const struct found *found)
{
        uint64_t expected = verify->chain.seq + 1, known = verify_known(verify);

        if (verify->chain.sealed || found->copies > 1)
                return AUDIT_INSERTED;
        if (is_early(verify, suspect, found))
                return found->elsewhere ? AUDIT_REORDERED : AUDIT_MISSING;
        if (found->elsewhere)
                return found->later ? AUDIT_INSERTED : AUDIT_REORDERED;
        if (!suspect->whole)
                return AUDIT_TRUNCATED;
        if (suspect->shaped && found->followed && verify_follows(verify, &suspect->line))
                return AUDIT_FORGED;
        if (known > 0 && expected > known)
                return AUDIT_INSERTED;
        return suspect->shaped || found->goes_on ? AUDIT_EDITED : AUDIT_MALFORMED;
}

static const char *const sentences[AUDIT_FLAW_MAX] = {
        [AUDIT_SOUND] = "the line is sound",
        [AUDIT_EDITED] = "the line is not what was written",
        [AUDIT_MISSING] = "the line that was written here is not there",
        [AUDIT_INSERTED] = "the line was never written here",
        [AUDIT_REORDERED] = "the line that was written here is at another place",
        [AUDIT_TRUNCATED] = "the line is cut off, and was whole",
        [AUDIT_FORGED] = "the line was written, and chained, without the key of its time",
        [AUDIT_MALFORMED] = "it is no line of a log",
};

int verify_judge_line(struct verify *verify, uint32_t segment, uint64_t number,
                      const struct segment_line *at, struct error *reterr)
{
        struct suspect suspect = { .segment = segment, .offset = at->offset, .len = at->len,
                                   .whole = at->whole };
        struct found found;
        enum audit_flaw flaw;
        int r;

        memcpy(suspect.text, at->text, at->len);
        suspect.shaped = at->whole && line_read(suspect.text, suspect.len, &suspect.line);
        chain_digest(suspect.text, suspect.len, suspect.digest);
        r = look_around(verify, &suspect, &found, reterr);
        if (r < 0)
                return r;
        if (was_before(verify, &suspect, &found)) {
                verify->lines--;
                verify_found(verify, AUDIT_EDITED, verify->last.seq, verify->last.segment,
                             verify->last.line, "%s", sentences[AUDIT_EDITED]);
                return 0;
        }
        flaw = judge(verify, &suspect, &found);
        verify_found(verify, flaw, verify->chain.seq + 1, segment, number, "%s", sentences[flaw]);
        return 0;
}

/* The number of a segment's first line, as it says itself; 0: it says none. */
static int read_first_seq(const struct verify *verify, uint32_t segment, uint64_t *ret,
                          struct error *reterr)
{
        cleanup_(segment_reader_free_cleanup) struct segment_reader *reader = NULL;
        int fd = segment_open(verify->dirfd, segment, reterr);
        int r = fd < 0 ? fd : segment_reader_new(fd, &reader, reterr);
        struct segment_line at;
        struct line line;

        *ret = 0;
        if (r == 0)
                r = segment_reader_next(reader, &at, reterr);
        if (r > 0 && line_read(at.text, at.len, &line))
                *ret = line.seq;
        return r < 0 ? r : 0;
}

int verify_judge_absence(struct verify *verify, uint32_t segment, uint64_t number, uint32_t next,
                         struct error *reterr)
{
        struct suspect nobody = { 0 };
        uint64_t known = verify_known(verify), next_seq = 0;
        struct found found;
        int r = 0;

        if (next > 0 && !verify->macs && number > 1)
                r = read_first_seq(verify, next, &next_seq, reterr);
        if (r == 0 && next_seq == verify->chain.seq + 1) { /* nothing is missing: it was the seal */
                verify->lines--;
                verify_found(verify, AUDIT_EDITED, verify->last.seq, verify->last.segment,
                             verify->last.line, "%s", sentences[AUDIT_EDITED]);
                return 0;
        }
        if (r == 0 && next > 0 && known > 0 && known <= verify->chain.seq) {
                verify_found(verify, AUDIT_INSERTED, verify->chain.seq + 1, next, 1,
                             "a segment that was never written");
                return 0;
        }
        if (r == 0)
                r = look_around(verify, &nobody, &found, reterr);
        if (r < 0)
                return r;
        if (found.elsewhere)
                verify_found(verify, AUDIT_REORDERED, verify->chain.seq + 1, segment, number, "%s",
                             sentences[AUDIT_REORDERED]);
        else if (number > 1)
                verify_found(verify, AUDIT_TRUNCATED, verify->chain.seq + 1, segment, number,
                             "the segment's last lines are not there");
        else
                verify_found(verify, next > 0 ? AUDIT_MISSING : AUDIT_TRUNCATED,
                             verify->chain.seq + 1, segment, number, "the segment is not there");
        return 0;
}
