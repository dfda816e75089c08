# SPDX-License-Identifier: Apache-2.0
"""What can go wrong with a provider, one function for each way.  A fault is called with the wire
(how bytes go out), the request, and make(): the vendor's own answer.  It returns the reply to send
as it is, or None where it has done the sending itself; then the connection is over.

Faults made by these functions:
    status(code), rate_limited(**headers), slow(seconds), cut(), half_close(), reset(), never(),
    garbage(), body(bytes), trickle(), huge(), endless(), vectors(name), text(bytes),
    stream_cut(), stream_error(), stream_unended(), stream_reset(), whole(), redirect()"""

import datetime
import email.utils
import json
import os
import time

from provider_wire import Reply


def fault(function):
    """A function that makes faults: its name and arguments are what the log shows."""
    def make(*words, **more):
        inner = function(*words, **more)
        inner.label = function.__name__ + (repr(words) if words else "") + (repr(more) if more else "")
        return inner
    make.__doc__ = function.__doc__
    return make


# ---- Refusals ---------------------------------------------------------------------------------


@fault
def status(code, word=None, message=None, headers=None, raw=None, content_type="application/json"):
    """The vendor's own error of this status; `word`: quota, filter, context."""
    def act(wire, request, make):
        if raw is not None:
            return Reply(code, raw, content_type, headers)
        reply = wire.vendor.error(code, message or MESSAGES.get(word) or f"scripted {code}", word)
        reply.headers.update(headers or {})
        return reply
    return act


MESSAGES = {"quota": "You exceeded your current quota, please check your plan and billing details.",
            "filter": "The response was filtered due to the prompt triggering the content policy.",
            "context": "This model's maximum context length is 8192 tokens."}


def rate_limited(word=None, **hints):
    """429.  hints: header names with _ for -."""
    return status(429, word, headers={name.replace("_", "-"): str(value) for name, value in hints.items()})


def http_date(seconds):
    return email.utils.formatdate(time.time() + seconds, usegmt=True)


def rfc3339(seconds):
    moment = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


# Every form in which a provider says when to come back: (the headers for a wait of `seconds`,
# by a function, because a date is one of them).
HINTS = {
    "integer seconds": lambda seconds: {"retry-after": str(seconds)},
    "float seconds": lambda seconds: {"retry-after": f"{seconds}.0"},
    "milliseconds": lambda seconds: {"retry-after-ms": str(1000 * seconds), "retry-after": "30"},
    "HTTP date": lambda seconds: {"retry-after": http_date(seconds)},
    "RFC 3339": lambda seconds: {"anthropic-ratelimit-requests-remaining": "0",
                                 "anthropic-ratelimit-requests-reset": rfc3339(seconds)},
    "duration": lambda seconds: {"x-ratelimit-remaining-requests": "0",
                                 "x-ratelimit-reset-requests": f"0m{seconds}s"},
    "fractional duration": lambda seconds: {"x-ratelimit-remaining-tokens": "0",
                                            "x-ratelimit-reset-tokens": f"{seconds}.06s"},
    "bare reset": lambda seconds: {"x-ratelimit-remaining-requests": "0",
                                   "x-ratelimit-reset-requests": str(seconds)},
}


@fault
def hinted(form, seconds):
    """429 with one of HINTS, made at the moment of the answer."""
    def act(wire, request, make):
        return status(429, headers=HINTS[form](seconds))(wire, request, make)
    return act


@fault
def redirect(where):
    def act(wire, request, make):
        return Reply(302, b"", "text/plain", {"location": where})
    return act


# ---- Time -------------------------------------------------------------------------------------


@fault
def slow(seconds, then=None):
    """Right, but late."""
    def act(wire, request, make):
        if wire.gone(seconds):
            return None
        return then(wire, request, make) if then else make()
    return act


@fault
def never():
    """Reads the request and says nothing."""
    def act(wire, request, make):
        wire.gone(None)
    return act


@fault
def trickle(interval=1.0):
    """A byte at a time."""
    def act(wire, request, make):
        for at in memoryview(wire.render(make())):
            wire.send(bytes((at,)))
            if wire.gone(interval):
                return
    return act


# ---- Connections ------------------------------------------------------------------------------


@fault
def reset():
    """The connection is reset after the request came."""
    def act(wire, request, make):
        wire.reset()
    return act


@fault
def cut(part=0.5, how="close"):
    """Only a part of the answer's body, then the end; how: close, half (the other direction stays
    open) or reset."""
    def act(wire, request, make):
        data = wire.render(make(), chunked=False)
        head = data.index(b"\r\n\r\n") + 4
        wire.send(data[:head + int((len(data) - head) * part)])
        if how == "half":
            wire.half_close()
            wire.gone(None)
        elif how == "reset":
            wire.reset()
    return act


def half_close(part=0.5):
    return cut(part, "half")


@fault
def garbage(data=b"\x16\x03\x01 this is not HTTP at all\r\n\r\n"):
    def act(wire, request, make):
        wire.send(data)
    return act


@fault
def huge(total=2 << 30, length=True):
    """An answer of 2 GiB that begins like one."""
    def act(wire, request, make):
        head = f"content-length: {total}" if length else "connection: close"
        wire.send(f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n{head}\r\n\r\n"
                  f'{{"id":"'.encode())
        block = b"x" * (1 << 20)
        for _ in range(total >> 20):
            wire.send(block)
            if wire.gone(0):
                return
    return act


# ---- Bodies -----------------------------------------------------------------------------------


@fault
def body(data, code=200, content_type="application/json"):
    """These bytes as the body of an answer."""
    def act(wire, request, make):
        return Reply(code, data, content_type)
    return act


# Answers of 200 that are none, for any vendor and call.
WRONG_BODIES = {
    "empty": b"", "null": b"null", "an array": b"[]", "a number": b"5", "a string": b'"hello"',
    "another object": b'{"hello":"world"}', "cut JSON": b'{"choices":[{"message":',
    "two values": b'{"a":1}{"a":2}', "HTML": b"<html><body>Welcome to the hotel</body></html>",
    "bytes": os.urandom(512), "NUL": b"\0" * 64, "deep": b"[" * 200000,
    "wrong types": json.dumps({"choices": "a", "data": 3, "content": {}, "message": [], "embeddings": "x",
                               "results": 7, "usage": "none"}).encode(),
    "an error": b'{"error":"Unexpected endpoint or method. Returning 200 anyway"}',
    "empty lists": json.dumps({"choices": [], "data": [], "content": [], "embeddings": [],
                               "results": []}).encode(),
    "nulls": json.dumps({"choices": [None], "data": [None], "content": [None], "embeddings": [None],
                         "results": [None], "message": None}).encode(),
}


def _widen(rows):
    return [row + [0.5] for row in rows]


# What can be wrong with vectors: from the right rows to what is sent.
WRONG_VECTORS = {
    "too wide": _widen, "too narrow": lambda rows: [row[:-1] for row in rows],
    "one wide": lambda rows: rows[:-1] + _widen(rows[-1:]),
    "one too few": lambda rows: rows[:-1], "one too many": lambda rows: rows + rows[:1],
    "none": lambda rows: [], "empty": lambda rows: [[] for _ in rows],
    "NaN": lambda rows: [[float("nan")] + row[1:] for row in rows],
    "infinity": lambda rows: [[float("inf")] + row[1:] for row in rows],
    "zero": lambda rows: [[0.0] * len(row) for row in rows],
    "beyond float": lambda rows: [[1e39] + row[1:] for row in rows],
    "strings": lambda rows: [["0.5"] + row[1:] for row in rows],
    "nulls": lambda rows: [[None] + row[1:] for row in rows],
    "nested": lambda rows: [[row, row] for row in rows],
}
# Those that raw floats in base64 can't say.
JSON_ONLY_VECTORS = {"strings", "nulls", "nested", "beyond float"}


@fault
def vectors(name):
    """The answer is right but for its vectors: one of WRONG_VECTORS.  What such an answer says of
    its use is not believed either, so it is not counted."""
    def act(wire, request, make):
        request.alter = WRONG_VECTORS[name]
        reply = make()
        reply.used = None
        return reply
    return act


@fault
def text(data):
    """A chat whose text is these bytes."""
    def act(wire, request, make):
        request.alter_text = lambda said: data.decode("utf-8", "surrogateescape")
        return make()
    return act


# ---- Streams ----------------------------------------------------------------------------------


def _some(reply, part):
    keep = max(1, int(len(reply.pieces) * part))
    return Reply.stream(reply.pieces[:keep], reply.content_type, None, reply.headers)


def _streamed(act):
    """Only where a stream was asked for; else what cut() does."""
    def choose(wire, request, make):
        reply = make()
        return act(wire, request, reply) if reply.pieces else cut()(wire, request, lambda: reply)
    return choose


@fault
def stream_cut(part=0.5):
    """The connection closes within the stream, without the end that HTTP wants."""
    @_streamed
    def act(wire, request, reply):
        wire.send(wire.render(_some(reply, part)).removesuffix(b"0\r\n\r\n"))
    return act


@fault
def stream_reset(part=0.5):
    @_streamed
    def act(wire, request, reply):
        wire.send(wire.render(_some(reply, part)).removesuffix(b"0\r\n\r\n"))
        wire.gone(0.05)
        wire.reset()
    return act


@fault
def stream_unended(part=0.5):
    """Ends as HTTP wants, but without what the vendor's format ends with."""
    @_streamed
    def act(wire, request, reply):
        return _some(reply, part)
    return act


@fault
def stream_error(part=0.5):
    """An error of the vendor's shape amid the stream."""
    @_streamed
    def act(wire, request, reply):
        some = _some(reply, part)
        error = wire.vendor.error(529 if wire.vendor.kind == "anthropic" else 500, "Overloaded amid it").body
        if reply.content_type == "application/x-ndjson":
            some.pieces.append(error + b"\n")
        else:
            event = b"event: error\n" if wire.vendor.kind == "anthropic" else b""
            some.pieces.append(event + b"data: " + error + b"\n\n")
        return some
    return act


@fault
def stream_garbage(part=0.5):
    """A line of the stream is no JSON."""
    @_streamed
    def act(wire, request, reply):
        some = _some(reply, part)
        line = b'{"choices":[{"del\xff\n' if reply.content_type == "application/x-ndjson" else \
            b'data: {"choices":[{"del\xff\n\n'
        some.pieces += [line] + reply.pieces[len(some.pieces):]
        return some
    return act


@fault
def endless(block=None):
    """A stream, or a body, that never ends."""
    def act(wire, request, make):
        reply = make()
        if reply.pieces:
            piece = block or reply.pieces[len(reply.pieces) // 2]
            first = reply.pieces[:len(reply.pieces) // 2]
        else:
            piece, first = b" " * 4096, []
        wire.send(wire.head(reply, chunked=True))
        for item in first:
            wire.chunk(item)
        while not wire.gone(0):
            wire.chunk(piece * 16)
    return act


@fault
def whole():
    """JSON at once though a stream was asked for."""
    def act(wire, request, make):
        if request.body and b'"stream"' in request.body:
            asked = json.loads(request.body)
            asked["stream"] = False
            asked.pop("stream_options", None)
            request.body = json.dumps(asked).encode()
        return make()
    return act
