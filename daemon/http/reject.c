/* SPDX-License-Identifier: Apache-2.0 */
#include "http/reject.h"

#include "base/cleanup.h"
#include "http/request.h"

#include <string.h>
#include <strings.h>

static bool refuse(struct request *request, enum problem problem, const char *why)
{
        problem_set(request, problem, "%s", why);
        request->reply.close = true;
        return true;
}

void reject_trailer(struct request *request)
{
        (void) refuse(request, PROBLEM_REFUSED_HEAD, "fields behind the body are not taken");
}

void reject_layout(struct request *request)
{
        (void) refuse(request, PROBLEM_REFUSED_HEAD,
                      "every line must end in CR LF and hold one field: no bare LF, no folded "
                      "line, no NUL, no field without a name");
}

/* tchar of RFC 9110 section 5.6.2. */
static bool is_token(const char *text, size_t len)
{
        for (size_t i = 0; i < len; i++) {
                char c = text[i];

                if (!((c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
                      (c && strchr("!#$%&'*+-.^_`|~", c))))
                        return false;
        }
        return len > 0;
}

static bool value_has_controls(const struct header *header)
{
        for (size_t i = 0; i < header->value_len; i++) {
                unsigned char c = (unsigned char) header->value[i];

                if ((c < 0x20 && c != '\t') || c == 0x7f)
                        return true;
        }
        return false;
}

/* The fields of which two would leave a choice. */
static const char *const single_fields[] = {
        "Content-Length", "Transfer-Encoding", "Host", "Authorization", "Content-Type",
        "Expect",         "Idempotency-Key",   "Origin", "X-Ragd-User",
};

static bool has_duplicates(const struct request *request, const char **ret_name)
{
        for (size_t f = 0; f < ELEMENTSOF(single_fields); f++) {
                size_t len = strlen(single_fields[f]), seen = 0;

                for (size_t i = 0; i < request->n_headers; i++)
                        seen += request->headers[i].name_len == len &&
                                strncasecmp(request->headers[i].name, single_fields[f], len) == 0;
                if (seen > 1) {
                        *ret_name = single_fields[f];
                        return true;
                }
        }
        return false;
}

static bool reject_fields(struct request *request)
{
        const char *name;

        if (request->headers_cut)
                return refuse(request, PROBLEM_TOO_MANY_HEADERS, "at most 64 header fields");
        for (size_t i = 0; i < request->n_headers; i++) {
                if (!is_token(request->headers[i].name, request->headers[i].name_len))
                        return refuse(request, PROBLEM_REFUSED_HEAD,
                                      "a header field's name holds a character that it may not");
                if (value_has_controls(&request->headers[i]))
                        return refuse(request, PROBLEM_REFUSED_HEAD,
                                      "a header field's value holds a control character");
        }
        if (has_duplicates(request, &name)) {
                problem_set(request, PROBLEM_REFUSED_HEAD, "the header field %s came twice", name);
                request->reply.close = true;
                return true;
        }
        return false;
}

/* How the body is framed: one way or the other, never both, never guessed. */
static bool reject_framing(struct request *request)
{
        const struct header *length = request_header(request, "Content-Length");
        const struct header *coding = request_header(request, "Transfer-Encoding");
        const struct header *expect = request_header(request, "Expect");

        if (length && coding)
                return refuse(request, PROBLEM_REFUSED_HEAD,
                              "Content-Length and Transfer-Encoding exclude each other");
        if (length && (length->value_len == 0 || length->value_len > 19 ||
                       strspn(length->value, "0123456789") < length->value_len))
                return refuse(request, PROBLEM_REFUSED_HEAD, "Content-Length is not a number");
        if (coding && (coding->value_len != 7 || strncasecmp(coding->value, "chunked", 7) != 0))
                return refuse(request, PROBLEM_TRANSFER_ENCODING,
                              "the transfer encoding is not \"chunked\"");
        if (coding && strcmp(request->version, "HTTP/1.0") == 0)
                return refuse(request, PROBLEM_REFUSED_HEAD,
                              "HTTP/1.0 has no Transfer-Encoding");
        if (expect &&
            (expect->value_len != 12 || strncasecmp(expect->value, "100-continue", 12) != 0))
                return refuse(request, PROBLEM_EXPECTATION, "only 100-continue can be expected");
        return false;
}

/* uri-host [ ":" port ] of RFC 9112 section 3.2, without user information. */
static bool is_host(const struct header *host)
{
        for (size_t i = 0; i < host->value_len; i++) {
                char c = host->value[i];

                if (!((c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
                      (c && strchr("-._~%!$&'()*+,;=:[]", c))))
                        return false;
        }
        return true;
}

/* True where the escape at `text` ("%..") stands for one of the bytes that change a path. */
static bool is_escaped_separator(const char *text)
{
        static const char *const escapes[] = { "%2f", "%5c", "%00", "%2e%2e", "%0a", "%0d", "%7f" };

        for (size_t i = 0; i < ELEMENTSOF(escapes); i++)
                if (strncasecmp(text, escapes[i], strlen(escapes[i])) == 0)
                        return true;
        return false;
}

/* Segments that are "." or ".." once decoded. */
static bool is_dot_segment(const char *text, size_t len)
{
        size_t dots = 0;

        for (size_t i = 0; i < len; dots++) {
                if (text[i] == '.')
                        i++;
                else if (len - i >= 3 && strncasecmp(text + i, "%2e", 3) == 0)
                        i += 3;
                else
                        return false;
        }
        return dots == 1 || dots == 2;
}

static bool reject_target(struct request *request)
{
        const char *target = request->target;
        size_t path_len = strcspn(target, "?");

        if (target[0] != '/' && !(strcmp(target, "*") == 0 && request->method == METHOD_OPTIONS))
                return refuse(request, PROBLEM_REFUSED_HEAD,
                              "the request's target must be a path beginning with /");
        for (size_t i = 0; target[i]; i++) {
                if ((unsigned char) target[i] <= 0x20 || (unsigned char) target[i] >= 0x7f ||
                    strchr("#\\\"<>^`{|}", target[i]))
                        return refuse(request, PROBLEM_REFUSED_HEAD,
                                      "the request's target holds a character that must be "
                                      "percent-encoded");
                if (i < path_len && target[i] == '%' && is_escaped_separator(target + i))
                        return refuse(request, PROBLEM_REFUSED_HEAD,
                                      "the path holds an escaped separator, dot segment or "
                                      "control character");
        }
        for (size_t i = 1; i <= path_len; i++) {
                size_t len = strcspn(target + i, "/?");

                if (len > path_len - i)
                        len = path_len - i;
                if (is_dot_segment(target + i, len))
                        return refuse(request, PROBLEM_REFUSED_HEAD,
                                      "the path holds a . or .. segment");
                i += len;
        }
        return false;
}

bool reject_head(struct request *request)
{
        const struct header *host;

        if (reject_fields(request) || reject_framing(request) || reject_target(request))
                return true;
        host = request_header(request, "Host");
        if (!host && strcmp(request->version, "HTTP/1.0") != 0)
                return refuse(request, PROBLEM_REFUSED_HEAD, "HTTP/1.1 requires the field Host");
        if (host && !is_host(host))
                return refuse(request, PROBLEM_REFUSED_HEAD, "the field Host is malformed");
        return false;
}

/* ---- The bytes themselves ---------------------------------------------------------------- */

static const char *skip_blank(const char *at, const char *end)
{
        while (at < end && (*at == ' ' || *at == '\t'))
                at++;
        return at;
}

/* Past the two NULs that stood as CR LF; NULL where they are not there. */
static const char *skip_line_end(const char *at, const char *end)
{
        return end - at >= 2 && at[0] == '\0' && at[1] == '\0' ? at + 2 : NULL;
}

bool reject_layout_is_clean(const struct raw_head *raw, const struct request *request)
{
        const char *end = raw->start + raw->len;
        const char *at = raw->target + raw->target_len + 1;

        if (raw->target != raw->start + strlen(request->method_text) + 1 || at != raw->version)
                return false;
        at = skip_line_end(at + strlen(raw->version), end);
        for (size_t i = 0; at && i < request->n_headers; i++) {
                const struct header *header = &request->headers[i];

                if (header->name != at || header->name_len >= (size_t) (end - at))
                        return false;
                at = skip_blank(at + header->name_len + 1, end);
                if (header->value_len > (size_t) (end - at))
                        return false;
                if (header->value_len > 0 && header->value != at)
                        return false;
                at = skip_line_end(skip_blank(at + header->value_len, end), end);
        }
        return at && skip_line_end(at, end) == end;
}
