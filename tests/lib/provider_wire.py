# SPDX-License-Identifier: Apache-2.0
"""What the vendors' servers have in common in tests: requests, answers, strict checks of fields,
a deterministic embedder and a deterministic language model.  The vendors themselves are in
provider_vendors.py, the server that speaks for one of them in provider.py."""

import base64
import hashlib
import json
import math
import re
import struct

# ---- A model that is the same everywhere and every time ------------------------------------


def count_tokens(text):
    """Not ragd's own rule, so that an estimate is never taken for a count."""
    return 3 + len(text.split())


def embed(text, width):
    """Unit length; texts that share words are near each other."""
    vector = [0.0] * width
    for word in re.findall(r"\w+", text.lower()) or [text]:
        digest = hashlib.blake2b(word.encode(), digest_size=32).digest()
        for at in range(0, 32, 4):
            place = int.from_bytes(digest[at:at + 3], "big") % width
            vector[place] += 1.0 if digest[at + 3] & 1 else -1.0
    vector[len(text) % width] += 0.001
    norm = math.sqrt(sum(value * value for value in vector))
    return [value / norm for value in vector]


def pack_floats(values):
    return base64.b64encode(struct.pack(f"<{len(values)}f", *values)).decode()


def answer_prompt(prompt):
    """Says the tag #word# of the question, quotes what follows [1] in the prompt, and cites it."""
    tags = re.findall(r"#\w+#", prompt)
    mark = r"^(?:BEGIN \S+ )?\[%s\](?: BEGIN \S+)?"
    passage = re.search(mark % "1" + r"\s*(.+?)(?=" + mark % r"\d+" + r"|^END|\Z)", prompt, re.DOTALL | re.MULTILINE)
    if not passage:
        return f"No passage was given. {tags[-1] if tags else 'ok'}"
    lines = [line.strip() for line in passage.group(1).splitlines() if len(line.split()) > 2]
    quote = " ".join(" ".join(lines).split()[:24]).rstrip(".")
    return f"{tags[-1] + ': ' if tags else ''}{quote} [1]."


def pieces_of(text):
    """As a model streams: word by word, the spaces kept."""
    return re.findall(r"\S+\s*|\s+", text)


def shared_words(query, document):
    """Between 0 and 1: the part of the question's words that stand in the document."""
    wanted = set(re.findall(r"\w+", query.lower()))
    present = set(re.findall(r"\w+", document.lower()))
    return len(wanted & present) / max(1, len(wanted)) * 0.9 + 0.05


# ---- Requests and answers -------------------------------------------------------------------


class Refusal(Exception):
    """A request that the vendor would not accept."""

    def __init__(self, status, message, word=None):
        super().__init__(message)
        self.status, self.message, self.word = status, message, word


class Request:
    """One request, whole.  `kind` is chat, embed, rerank, probe or other."""

    def __init__(self, method, path, query, headers, body):
        self.method, self.path, self.query = method, path, query
        self.headers, self.body = headers, body
        self.kind = "other"
        self.json = None
        self.streams = False
        self.alter = lambda vectors: vectors  # what a fault does to the vectors
        self.alter_text = lambda text: text

    def parse_quietly(self):
        """What the log shows of a request whose fault does not look at it."""
        if self.method == "POST":
            value = json.loads(self.body.decode("utf-8", "replace"))
            self.json = value if isinstance(value, dict) else None

    def parse(self):
        kind = self.headers.get("content-type", "").split(";")[0].strip().lower()
        if kind != "application/json":
            raise Refusal(400, f"content type {kind or 'missing'} instead of application/json")
        try:
            self.json = json.loads(self.body.decode("utf-8"), parse_constant=no_constant)
        except ValueError as why:
            raise Refusal(400, f"not JSON: {why}") from None
        if not isinstance(self.json, dict):
            raise Refusal(400, "the body must be an object")
        return self.json


def no_constant(name):
    raise ValueError(f"{name} is not JSON")


class Reply:
    """What is sent back: either one body or the pieces of a stream.  `used` is booked when all
    of it could be sent: (kind, input tokens, output tokens)."""

    def __init__(self, status, body=b"", content_type="application/json", headers=None, used=None):
        self.status, self.headers = status, dict(headers or {})
        if isinstance(body, (dict, list)):
            body = json.dumps(body, ensure_ascii=False)
        self.body = body.encode("utf-8", "surrogateescape") if isinstance(body, str) else body
        self.content_type = content_type
        self.used = used
        self.pieces = None

    @classmethod
    def stream(cls, pieces, content_type, used=None, headers=None):
        reply = cls(200, b"", content_type, headers, used)
        reply.pieces = [piece.encode("utf-8", "surrogateescape") if isinstance(piece, str) else piece
                        for piece in pieces]
        return reply


def sse(value, event=None):
    data = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return (f"event: {event}\n" if event else "") + f"data: {data}\n\n"


# ---- Fields: each vendor has a table {name: check}; a name with ! is required ---------------


def text(value):
    return isinstance(value, str) and value != ""


def flag(value):
    return isinstance(value, bool)


def number(low, high):
    return lambda value: (isinstance(value, (int, float)) and not isinstance(value, bool)
                          and low <= value <= high)


def whole(low, high=1 << 31):
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def one_of(*words):
    return lambda value: value in words


def several(check, low=0, high=1 << 30):
    return lambda value: (isinstance(value, list) and low <= len(value) <= high
                          and all(check(item) for item in value))


def either(*checks):
    return lambda value: any(check(value) for check in checks)


def fields(table):
    """The check of an object with exactly these fields."""
    def check(value):
        try:
            require(value, table)
        except Refusal:
            return False
        return True
    return check


def require(value, table, where=""):
    if not isinstance(value, dict):
        raise Refusal(400, f"{where or 'body'} must be an object")
    names = {name.rstrip("!"): name for name in table}
    for name in value:
        if name not in names:
            raise Refusal(400, f"Unrecognized request argument supplied: {where}{name}", "unknown")
    for plain, name in names.items():
        if plain not in value:
            if name.endswith("!"):
                raise Refusal(400, f"Missing required parameter: '{where}{plain}'", "missing")
        elif not table[name](value[plain]):
            raise Refusal(400, f"Invalid value for '{where}{plain}': {value[plain]!r:.80}", "invalid")


def bearer(request, key):
    if request.headers.get("authorization") != f"Bearer {key}":
        raise Refusal(401, "Incorrect API key provided", "key")


# ---- Vendors ---------------------------------------------------------------------------------


class Vendor:
    """One vendor's server.  Options that several share:
    models: names it serves; width: of its vectors; usage: whether it counts tokens;
    refuses_system, refuses_sampling: models that do not take these."""

    kind = None
    path = ""         # after the host, in the endpoint of a profile
    chat_model = "chat-model"
    embed_model = "embed-model"
    rerank_model = "rerank-model"
    needs_key = True

    def __init__(self, key, width, models=None, usage=True, refuses_system=False,
                 refuses_sampling=False, limits=None, reason=None, **more):
        self.key, self.width, self.usage = key, width, usage
        self.models = models if models is not None else [
            name for name in (self.chat_model, self.embed_model, self.rerank_model) if name]
        self.refuses_system, self.refuses_sampling = refuses_system, refuses_sampling
        self.limits = limits or {}  # headers of every answer
        self.reason = reason        # reasoning text that is not part of the answer
        self.more = more
        self.served = 0

    def serve(self, request):
        """The vendor's answer, an error in the vendor's shape where it refuses."""
        self.served += 1
        try:
            handler = self.route(request)
            if handler is None:
                raise Refusal(404, f"no such path: {request.method} {request.path}", "path")
            self.authorize(request)
            if request.method == "POST" and request.body:
                request.parse()
            reply = handler(request)
        except Refusal as why:
            request.refusal = why
            reply = self.error(why.status, why.message, why.word)
        for name, value in self.limits.items():
            reply.headers.setdefault(name, value)
        return reply

    def route(self, request):
        raise NotImplementedError

    def classify(self, request):
        """Sets request.kind, before anything is answered."""
        handler = self.route(request)
        name = handler.__name__ if handler else ""
        request.kind = {"chat": "chat", "embed": "embed", "embed_one": "embed",
                        "rerank": "rerank"}.get(name, "probe" if handler else "other")

    def authorize(self, request):
        bearer(request, self.key)

    def error(self, status, message, word=None):
        raise NotImplementedError

    def check_model(self, name):
        if name not in self.models:
            raise Refusal(404, f"The model `{name}` does not exist", "model")

    def vectors(self, request, texts, width):
        return request.alter([embed(item, width) for item in texts])
