/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/think.h"

#include <string.h>

static const char open_tag[] = "<think>", close_tag[] = "</think>";

static bool is_space(char c)
{
        return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* How a visible character changes where we are; false: it is left out. */
static bool pass(struct think *think, char c)
{
        bool space = is_space(c);

        if (space && (!think->begun || think->skip_space))
                return false;
        if (c == '\n')
                think->mid_line = false;
        else if (!space)
                think->mid_line = think->begun = true;
        if (!space)
                think->skip_space = false;
        return true;
}

/* Tells the part of a tag that was held back because it might have been one. */
static int release(struct think *think, think_function tell, void *data)
{
        size_t held = think->matched;

        think->matched = 0;
        if (held == 0)
                return 0;
        think->begun = think->mid_line = true;
        think->skip_space = false;
        return tell(data, open_tag, held);
}

/* One character inside a part that is left out. */
static void think_on(struct think *think, char c)
{
        think->matched = c == close_tag[think->matched] ? think->matched + 1 : c == '<';
        if (think->matched < sizeof close_tag - 1)
                return;
        think->matched = 0;
        think->inside = think->mid_line = false;
        think->skip_space = true;
}

int think_feed(struct think *think, const char *text, size_t len, think_function tell, void *data)
{
        size_t from = 0, at = 0; /* [from, at) is to be told */
        int r = 0;

        for (; at < len && r >= 0; at++) {
                bool tag = think->inside || think->matched > 0 ||
                           (!think->mid_line && text[at] == '<');

                if (tag || !pass(think, text[at])) {
                        r = at > from ? tell(data, text + from, at - from) : 0;
                        from = at + 1;
                }
                if (!tag || r < 0)
                        continue;
                if (think->inside) {
                        think_on(think, text[at]);
                } else if (text[at] == open_tag[think->matched]) {
                        think->matched++;
                        think->inside = think->matched == sizeof open_tag - 1;
                        think->matched = think->inside ? 0 : think->matched;
                } else {
                        r = release(think, tell, data);
                        from = at; /* this character comes again, as text */
                        at--;
                }
        }
        return r >= 0 && at > from ? tell(data, text + from, at - from) : r;
}

int think_end(struct think *think, think_function tell, void *data)
{
        return think->inside ? 0 : release(think, tell, data);
}
