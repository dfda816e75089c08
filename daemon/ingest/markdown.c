/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/markdown.h"

#include "base/buf.h"
#include "base/cleanup.h"

#include <cmark.h>
#include <errno.h>
#include <string.h>

#define INDENT_MAX 16

DEFINE_CLEANUP(cmark_iter *, cmark_iter_free)
DEFINE_CLEANUP(cmark_node *, cmark_node_free)

struct writer {
        struct buf *out;
        unsigned newlines; /* owed before the next text */
        unsigned depth;    /* of lists */
};

static void owe(struct writer *writer, unsigned newlines)
{
        if (newlines > writer->newlines)
                writer->newlines = newlines;
}

static void put(struct writer *writer, const char *text, size_t len)
{
        if (len == 0)
                return;
        for (; writer->newlines > 0; writer->newlines--)
                if (writer->out->len > 0)
                        buf_append_char(writer->out, '\n');
        buf_append(writer->out, text, len);
}

static void put_literal(struct writer *writer, cmark_node *node)
{
        const char *text = cmark_node_get_literal(node);

        if (text)
                put(writer, text, strlen(text));
}

static void put_code(struct writer *writer, cmark_node *node)
{
        const char *text = cmark_node_get_literal(node);
        size_t len = text ? strlen(text) : 0;

        while (len > 0 && text[len - 1] == '\n')
                len--;
        put(writer, text, len);
}

/* What stands between tags; comments go. */
static void put_html(struct writer *writer, cmark_node *node)
{
        const char *at = cmark_node_get_literal(node);

        while (at && *at) {
                size_t len = strcspn(at, "<");

                put(writer, at, len);
                at += len;
                if (strncmp(at, "<!--", 4) == 0) {
                        const char *end = strstr(at, "-->");

                        at = end ? end + 3 : at + strlen(at);
                } else if (*at) {
                        at += strcspn(at, ">");
                        at += *at == '>';
                }
        }
}

/* A block of HTML brings its own line breaks. */
static void trim_end(struct writer *writer)
{
        struct buf *out = writer->out;

        while (out->len > 0 && (out->data[out->len - 1] == '\n' || out->data[out->len - 1] == ' '))
                out->data[--out->len] = '\0';
}

/* A list item's text follows its marker, so the paragraph that begins it begins no line. */
static bool begins_item(cmark_node *node)
{
        cmark_node *parent = cmark_node_parent(node);

        return parent && cmark_node_get_type(parent) == CMARK_NODE_ITEM &&
               !cmark_node_previous(node);
}

static unsigned lines_around(cmark_node *node)
{
        cmark_node *parent = cmark_node_parent(node);
        cmark_node *list = parent ? cmark_node_parent(parent) : NULL;

        return parent && cmark_node_get_type(parent) == CMARK_NODE_ITEM && list &&
                               cmark_node_get_list_tight(list)
                       ? 1
                       : 2;
}

static void put_marker(struct writer *writer, cmark_node *item)
{
        cmark_node *list = cmark_node_parent(item);
        char marker[INDENT_MAX + 32];
        unsigned indent = (writer->depth - 1) * 2;
        int number, len;

        if (indent > INDENT_MAX)
                indent = INDENT_MAX;
        owe(writer, cmark_node_get_list_tight(list) ? 1 : 2);
        if (cmark_node_get_list_type(list) == CMARK_ORDERED_LIST) {
                number = cmark_node_get_list_start(list);
                for (cmark_node *at = cmark_node_previous(item); at; at = cmark_node_previous(at))
                        number++;
                len = snprintf(marker, sizeof marker, "%*s%d. ", (int) indent, "", number);
        } else {
                len = snprintf(marker, sizeof marker, "%*s- ", (int) indent, "");
        }
        put(writer, marker, (size_t) len);
}

static void enter(struct writer *writer, cmark_node *node)
{
        switch (cmark_node_get_type(node)) {
        case CMARK_NODE_LIST:
                writer->depth++;
                break;
        case CMARK_NODE_ITEM:
                put_marker(writer, node);
                break;
        case CMARK_NODE_HEADING:
        case CMARK_NODE_PARAGRAPH:
                if (!begins_item(node))
                        owe(writer, lines_around(node));
                break;
        case CMARK_NODE_CODE_BLOCK:
                owe(writer, begins_item(node) ? 1 : lines_around(node));
                put_code(writer, node);
                owe(writer, lines_around(node));
                break;
        case CMARK_NODE_HTML_BLOCK:
                owe(writer, 2);
                put_html(writer, node);
                trim_end(writer);
                owe(writer, 2);
                break;
        case CMARK_NODE_TEXT:
        case CMARK_NODE_CODE:
                put_literal(writer, node);
                break;
        case CMARK_NODE_SOFTBREAK:
        case CMARK_NODE_LINEBREAK:
                put(writer, "\n", 1);
                break;
        default: /* tags within a line and what has no text of its own */
                break;
        }
}

static void leave(struct writer *writer, cmark_node *node)
{
        switch (cmark_node_get_type(node)) {
        case CMARK_NODE_LIST:
                owe(writer, --writer->depth > 0 ? 1 : 2);
                break;
        case CMARK_NODE_HEADING:
        case CMARK_NODE_PARAGRAPH:
                owe(writer, lines_around(node));
                break;
        default:
                break;
        }
}

int markdown_text(const char *body, size_t len, struct buf *ret)
{
        cleanup_(cmark_node_free_cleanup) cmark_node *root =
                cmark_parse_document(body, len, CMARK_OPT_DEFAULT);
        cleanup_(cmark_iter_free_cleanup) cmark_iter *iter = root ? cmark_iter_new(root) : NULL;
        struct writer writer = { .out = ret };
        cmark_event_type event;

        if (!iter)
                return -ENOMEM;
        while ((event = cmark_iter_next(iter)) != CMARK_EVENT_DONE) {
                if (event == CMARK_EVENT_ENTER)
                        enter(&writer, cmark_iter_get_node(iter));
                else
                        leave(&writer, cmark_iter_get_node(iter));
        }
        return buf_failed(ret) ? -ENOMEM : 0;
}

static char *heading_text(cmark_node *heading)
{
        cleanup_(cmark_iter_free_cleanup) cmark_iter *iter = cmark_iter_new(heading);
        struct buf text = BUF_EMPTY;
        struct writer writer = { .out = &text };
        cmark_event_type event;

        while (iter && (event = cmark_iter_next(iter)) != CMARK_EVENT_DONE) {
                cmark_node *node = cmark_iter_get_node(iter);

                if (event == CMARK_EVENT_ENTER && node != heading)
                        enter(&writer, node);
        }
        for (size_t i = 0; i < text.len; i++)
                if ((unsigned char) text.data[i] < 0x20)
                        text.data[i] = ' ';
        if (text.len == 0)
                buf_done(&text);
        return text.len > 0 ? buf_take(&text) : NULL;
}

char *markdown_title(const char *body, size_t len)
{
        cleanup_(cmark_node_free_cleanup) cmark_node *root =
                cmark_parse_document(body, len, CMARK_OPT_DEFAULT);

        for (cmark_node *node = root ? cmark_node_first_child(root) : NULL; node;
             node = cmark_node_next(node))
                if (cmark_node_get_type(node) == CMARK_NODE_HEADING)
                        return heading_text(node);
        return NULL;
}
