/* SPDX-License-Identifier: Apache-2.0 */
#include "event/fetch_inside.h"

#include "base/cleanup.h"
#include "base/clock.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define CONNECT_USEC (10 * USEC_PER_SEC)
#define BODY_MAX_BYTES (UINT64_C(64) << 20)
#define HEAD_MAX_BYTES ((size_t) 64 * 1024)
#define HEAD_MAX_LINES 128
#define BUFFER_BYTES (16L * 1024)

static inline void url_cleanup(CURLU **url)
{
        curl_url_cleanup(*url);
}

static inline void curl_string_cleanup(char **text)
{
        curl_free(*text);
}

/* ---- The answer ------------------------------------------------------------------------------ */

const char *fetch_header(const struct fetch_head *head, const char *name)
{
        size_t len = strlen(name);

        for (size_t i = 0; head->headers[i]; i++)
                if (strncmp(head->headers[i], name, len) == 0 && head->headers[i][len] == ':')
                        return head->headers[i] + len + 2;
        return NULL;
}

static int tell_head(struct fetch *fetch)
{
        cleanup_free_ const char **headers = calloc(fetch->head_lines + 1, sizeof *headers);
        const char *line = buf_text(&fetch->head), *end = line + fetch->head.len;
        struct fetch_head head = { .headers = headers };
        long status = 0;
        int r;

        (void) curl_easy_getinfo(fetch->easy, CURLINFO_RESPONSE_CODE, &status);
        if (status >= 100 && status < 200)
                return 0; /* another head follows */
        fetch->headed = true;
        fetch->heard_usec = clock_monotonic_usec();
        if (!headers || buf_failed(&fetch->head)) {
                fetch->stopped = FETCH_FAILED;
                return -ENOMEM;
        }
        for (size_t i = 0; i < fetch->head_lines && line < end; line += strlen(line) + 1)
                headers[i++] = line;
        head.status = (int) status;
        r = fetch->events.head ? fetch->events.head(fetch->data, &head) : 0;
        if (r < 0)
                fetch->stopped = FETCH_STOPPED;
        buf_done(&fetch->head);
        return r;
}

/* Keeps "name: value", the name in lower case.  What has no colon is no header. */
static void keep_line(struct fetch *fetch, const char *line, size_t len)
{
        const char *colon = memchr(line, ':', len);
        const char *value = colon ? colon + 1 : NULL, *end = line + len;

        if (!colon || memchr(line, '\0', len))
                return;
        while (value < end && (*value == ' ' || *value == '\t'))
                value++;
        while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
                end--;
        for (const char *c = line; c < colon; c++)
                buf_append_char(&fetch->head, (char) tolower((unsigned char) *c));
        buf_append(&fetch->head, ": ", 2);
        buf_append(&fetch->head, value, (size_t) (end - value));
        buf_append_char(&fetch->head, '\0');
        fetch->head_lines++;
}

static size_t on_header(char *line, size_t size, size_t n, void *data)
{
        struct fetch *fetch = data;
        size_t len = size * n;

        if (fetch->freed)
                return 0;
        if (fetch->headed)
                return len; /* a trailer */
        fetch->head_bytes += len;
        if (fetch->head_bytes > HEAD_MAX_BYTES || fetch->head_lines == HEAD_MAX_LINES) {
                fetch->stopped = FETCH_GARBAGE;
                return 0;
        }
        for (n = len; n > 0 && (line[n - 1] == '\r' || line[n - 1] == '\n');)
                n--;
        if (n == 0)
                return tell_head(fetch) < 0 || fetch->freed ? 0 : len;
        if (len > 5 && memcmp(line, "HTTP/", 5) == 0) {
                buf_clear(&fetch->head);
                fetch->head_lines = 0;
        } else {
                keep_line(fetch, line, n);
        }
        return len;
}

/* The library sends a request anew where a kept connection turns out to be dead. */
static int on_send(void *data, char *remote, char *local, int remote_port, int local_port)
{
        struct fetch *fetch = data;

        (void) remote;
        (void) local;
        (void) remote_port;
        (void) local_port;
        fetch->sends++;
        return CURL_PREREQFUNC_OK;
}

static size_t on_body(char *bytes, size_t size, size_t n, void *data)
{
        struct fetch *fetch = data;
        size_t len = size * n;

        if (fetch->freed)
                return 0;
        fetch->heard_usec = clock_monotonic_usec();
        fetch->received += len;
        if (fetch->received > fetch->max_bytes)
                fetch->stopped = FETCH_TOO_LARGE;
        else if (fetch->events.body && len > 0 && fetch->events.body(fetch->data, bytes, len) < 0)
                fetch->stopped = FETCH_STOPPED;
        return fetch->stopped != FETCH_OK || fetch->freed ? 0 : len;
}

/* ---- How it ended ---------------------------------------------------------------------------- */

static const struct {
        CURLcode code;
        enum fetch_result result;
} results[] = {
        { CURLE_OK, FETCH_OK },
        { CURLE_COULDNT_RESOLVE_HOST, FETCH_UNREACHABLE },
        { CURLE_COULDNT_RESOLVE_PROXY, FETCH_UNREACHABLE },
        { CURLE_COULDNT_CONNECT, FETCH_UNREACHABLE },
        { CURLE_PROXY, FETCH_UNREACHABLE },
        { CURLE_GOT_NOTHING, FETCH_BROKEN },
        { CURLE_SEND_ERROR, FETCH_BROKEN },
        { CURLE_RECV_ERROR, FETCH_BROKEN },
        { CURLE_PARTIAL_FILE, FETCH_BROKEN },
        { CURLE_OPERATION_TIMEDOUT, FETCH_TIMEOUT },
        { CURLE_SSL_CONNECT_ERROR, FETCH_TLS },
        { CURLE_PEER_FAILED_VERIFICATION, FETCH_TLS },
        { CURLE_SSL_CACERT_BADFILE, FETCH_TLS },
        { CURLE_SSL_CERTPROBLEM, FETCH_TLS },
        { CURLE_SSL_CIPHER, FETCH_TLS },
        { CURLE_SSL_ISSUER_ERROR, FETCH_TLS },
        { CURLE_SSL_INVALIDCERTSTATUS, FETCH_TLS },
        { CURLE_UNSUPPORTED_PROTOCOL, FETCH_GARBAGE }, /* HTTP/0.9: ours were checked */
        { CURLE_WEIRD_SERVER_REPLY, FETCH_GARBAGE },
        { CURLE_BAD_CONTENT_ENCODING, FETCH_GARBAGE },
        { CURLE_FILESIZE_EXCEEDED, FETCH_TOO_LARGE },
};

static const struct {
        int code;
        const char *why; /* where libcurl says nothing of use */
} traits[FETCH_RESULT_MAX] = {
        [FETCH_UNREACHABLE] = { -EHOSTUNREACH, NULL },
        [FETCH_BROKEN] = { -ECONNRESET, NULL },
        [FETCH_TIMEOUT] = { -ETIMEDOUT, NULL },
        [FETCH_TLS] = { -EPROTO, NULL },
        [FETCH_GARBAGE] = { -EBADMSG, "the answer's head is too large" },
        [FETCH_TOO_LARGE] = { -EFBIG, "the answer is too large" },
        [FETCH_STOPPED] = { -ECANCELED, "stopped" },
        [FETCH_FAILED] = { -ENOMEM, "out of memory" },
};

int fetch_result_code(enum fetch_result result)
{
        return traits[result].code;
}

enum fetch_result fetch_result_of(const struct fetch *fetch, CURLcode code, const char **ret_why)
{
        enum fetch_result result = FETCH_FAILED;
        curl_off_t sent_from_usec = 0;

        *ret_why = fetch->said[0] ? fetch->said : curl_easy_strerror(code);
        if (fetch->stopped != FETCH_OK) {
                *ret_why = traits[fetch->stopped].why;
                return fetch->stopped;
        }
        for (size_t i = 0; i < ELEMENTSOF(results); i++)
                if (results[i].code == code)
                        result = results[i].result;
        if (result == FETCH_OK && !fetch->headed) { /* libcurl minds no half of a head */
                *ret_why = "the connection ended within the answer's head";
                return FETCH_BROKEN;
        }
        if (result == FETCH_TOO_LARGE)
                *ret_why = traits[result].why;
        if (result != FETCH_TIMEOUT)
                return result;
        (void) curl_easy_getinfo(fetch->easy, CURLINFO_PRETRANSFER_TIME_T, &sent_from_usec);
        return sent_from_usec > 0 ? FETCH_TIMEOUT : FETCH_UNREACHABLE;
}

/* ---- The request ----------------------------------------------------------------------------- */

static bool one_line(const char *text)
{
        for (; *text; text++)
                if ((unsigned char) *text < ' ' && *text != '\t')
                        return false;
        return true;
}

/* "host:port" of an http:// or https:// URL without a password.  Errors never repeat the URL. */
static int read_url(const char *text, char **ret_where, struct error *reterr)
{
        cleanup_(url_cleanup) CURLU *url = curl_url();
        cleanup_(curl_string_cleanup) char *scheme = NULL, *host = NULL, *port = NULL, *user = NULL;
        struct buf where = BUF_EMPTY;

        if (!url)
                return error_oom(reterr);
        if (!one_line(text) || curl_url_set(url, CURLUPART_URL, text, 0) != CURLUE_OK ||
            curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
            (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0) ||
            curl_url_get(url, CURLUPART_HOST, &host, 0) != CURLUE_OK ||
            curl_url_get(url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) != CURLUE_OK)
                return error_set(reterr, -EINVAL, "not an http:// or https:// URL");
        if (curl_url_get(url, CURLUPART_USER, &user, 0) == CURLUE_OK)
                return error_set(reterr, -EINVAL, "%s: a URL must not hold a name or password",
                                 host);
        buf_append_format(&where, "%s:%s", host, port);
        *ret_where = buf_take(&where);
        return *ret_where ? 0 : error_oom(reterr);
}

static int check_proxy(const char *text, struct error *reterr)
{
        cleanup_(url_cleanup) CURLU *url = curl_url();

        if (!url)
                return error_oom(reterr);
        if (!one_line(text) || curl_url_set(url, CURLUPART_URL, text, 0) != CURLUE_OK)
                return error_set(reterr, -EINVAL, "the proxy is not given as a URL");
        return 0;
}

static int add_header(struct fetch *fetch, const char *line, struct error *reterr)
{
        struct curl_slist *longer;

        if (!one_line(line) || !strchr(line, ':'))
                return error_set(reterr, -EINVAL, "a header that is not one line with a name");
        longer = curl_slist_append(fetch->headers, line);
        if (!longer)
                return error_oom(reterr);
        fetch->headers = longer;
        return 0;
}

static int set_body(struct fetch *fetch, const struct fetch_request *request, struct error *reterr)
{
        if (strcmp(request->method, "GET") == 0)
                return 0;
        fetch->body = malloc(request->body_len + 1);
        if (!fetch->body)
                return error_oom(reterr);
        if (request->body_len > 0)
                memcpy(fetch->body, request->body, request->body_len);
        (void) curl_easy_setopt(fetch->easy, CURLOPT_POST, 1L);
        (void) curl_easy_setopt(fetch->easy, CURLOPT_POSTFIELDSIZE_LARGE,
                                (curl_off_t) request->body_len);
        (void) curl_easy_setopt(fetch->easy, CURLOPT_POSTFIELDS, fetch->body);
        return add_header(fetch, "Expect:", reterr); /* not asked for leave before it is sent */
}

static long msec(uint64_t usec)
{
        uint64_t rounded = (usec + USEC_PER_MSEC - 1) / USEC_PER_MSEC;

        return rounded > INT32_MAX ? INT32_MAX : (long) rounded;
}

/* How it is done; what fails for want of memory: the texts that libcurl copies. */
static bool set_manner(CURL *easy, const struct fetch_request *request)
{
        uint64_t connect_usec = request->connect_usec ? request->connect_usec : CONNECT_USEC;

        (void) curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
        (void) curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L); /* no wait for a slow resolver */
        (void) curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long) CURL_HTTP_VERSION_1_1);
        (void) curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
        (void) curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
        (void) curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
        (void) curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
        (void) curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
        (void) curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, BUFFER_BYTES);
        (void) curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, BUFFER_BYTES);
        (void) curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, msec(connect_usec));
        (void) curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, msec(request->total_usec));
        if (request->ca_file) {
                if (curl_easy_setopt(easy, CURLOPT_CAINFO, request->ca_file) != CURLE_OK ||
                    curl_easy_setopt(easy, CURLOPT_PROXY_CAINFO, request->ca_file) != CURLE_OK)
                        return false;
                (void) curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
                (void) curl_easy_setopt(easy, CURLOPT_PROXY_CAPATH, NULL);
        }
        return curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
               curl_easy_setopt(easy, CURLOPT_PROXY, request->proxy ? request->proxy : "") ==
                       CURLE_OK &&
               curl_easy_setopt(easy, CURLOPT_NOPROXY, "") == CURLE_OK &&
               curl_easy_setopt(easy, CURLOPT_URL, request->url) == CURLE_OK;
}

int fetch_prepare(struct fetch *fetch, const struct fetch_request *request, struct error *reterr)
{
        int r = read_url(request->url, &fetch->where, reterr);

        if (r == 0 && request->proxy)
                r = check_proxy(request->proxy, reterr);
        for (size_t i = 0; r == 0 && request->headers && request->headers[i]; i++)
                r = add_header(fetch, request->headers[i], reterr);
        if (r < 0)
                return r;
        fetch->idle_usec = request->idle_usec;
        fetch->max_bytes = request->max_bytes ? request->max_bytes : BODY_MAX_BYTES;
        fetch->easy = curl_easy_init();
        if (!fetch->easy || !set_manner(fetch->easy, request))
                return error_oom(reterr);
        r = set_body(fetch, request, reterr);
        if (r < 0)
                return r;
        (void) curl_easy_setopt(fetch->easy, CURLOPT_HTTPHEADER, fetch->headers);
        (void) curl_easy_setopt(fetch->easy, CURLOPT_MAXFILESIZE_LARGE,
                                (curl_off_t) fetch->max_bytes);
        (void) curl_easy_setopt(fetch->easy, CURLOPT_ERRORBUFFER, fetch->said);
        (void) curl_easy_setopt(fetch->easy, CURLOPT_PRIVATE, fetch);
        (void) curl_easy_setopt(fetch->easy, CURLOPT_PREREQFUNCTION, on_send);
        (void) curl_easy_setopt(fetch->easy, CURLOPT_PREREQDATA, fetch);
        (void) curl_easy_setopt(fetch->easy, CURLOPT_HEADERFUNCTION, on_header);
        (void) curl_easy_setopt(fetch->easy, CURLOPT_HEADERDATA, fetch);
        (void) curl_easy_setopt(fetch->easy, CURLOPT_WRITEFUNCTION, on_body);
        (void) curl_easy_setopt(fetch->easy, CURLOPT_WRITEDATA, fetch);
        return 0;
}
