# SPDX-License-Identifier: Apache-2.0
"""The vendors that tests know, each as strict as the vendor's own server or stricter: a field
that it does not document, a missing one, a wrong key or content type is refused in its shape."""

import json

from provider_openai import (SSE, TEXT_PART, AzureOpenAI, Compatible, Groq, LMStudio, OpenAI, content_of,
                             rank)
from provider_wire import (Refusal, Reply, Vendor, answer_prompt, bearer, count_tokens, either,
                           fields, flag, number, one_of, pack_floats, pieces_of, require, several,
                           sse, text, whole)

# ---- Anthropic -------------------------------------------------------------------------------

ANTHROPIC_CHAT = {
    "model!": text, "max_tokens!": whole(1), "temperature": number(0, 1), "top_p": number(0, 1),
    "messages!": several(fields({"role!": one_of("user", "assistant"),
                                 "content!": either(text, several(TEXT_PART, 1))}), 1),
    "system": either(text, several(TEXT_PART, 1)), "top_k": whole(1), "stream": flag,
    "stop_sequences": several(lambda stop: isinstance(stop, str) and stop.strip() != "", 0, 8192),
    "metadata": fields({"user_id": text}), "service_tier": one_of("auto", "standard_only"),
}


class Anthropic(Vendor):
    kind = "anthropic"
    chat_model = "claude-haiku-4-5"
    embed_model = rerank_model = None

    def route(self, request):
        return {("POST", "/v1/messages"): self.chat, ("GET", "/v1/models"): self.list_models}.get(
            (request.method, request.path)) or (
                self.show_model if request.method == "GET" and request.path.startswith("/v1/models/") else None)

    def authorize(self, request):
        if request.headers.get("x-api-key") != self.key:
            raise Refusal(401, "invalid x-api-key")
        if request.headers.get("anthropic-version") != "2023-06-01":
            raise Refusal(400, "anthropic-version: header is required")

    def error(self, status, message, word=None):
        kinds = {400: "invalid_request_error", 401: "authentication_error", 402: "billing_error",
                 403: "permission_error", 404: "not_found_error", 413: "request_too_large",
                 429: "rate_limit_error", 504: "timeout_error", 529: "overloaded_error"}
        kind = "billing_error" if word == "quota" else kinds.get(status, "api_error")
        return Reply(status, {"type": "error", "error": {"type": kind, "message": message},
                              "request_id": f"req_{self.served}"})

    def chat(self, request):
        asked = request.json
        require(asked, ANTHROPIC_CHAT)
        self.check_model(asked["model"])
        if asked["messages"][0]["role"] != "user" or asked["messages"][-1]["role"] != "user":
            raise Refusal(400, "the first and the last message must be the user's")
        if self.refuses_sampling and ("temperature" in asked or "top_p" in asked):
            raise Refusal(400, "`temperature` is deprecated for this model")
        texts = [content_of(message) for message in asked["messages"]]
        if "system" in asked:
            texts.insert(0, content_of({"content": asked["system"]}))
        said = request.alter_text(answer_prompt("\n".join(texts)))
        used = ("chat", sum(map(count_tokens, texts)), count_tokens(said))
        request.streams = bool(asked.get("stream"))
        head = {"id": f"msg_{self.served}", "type": "message", "role": "assistant", "model": asked["model"]}
        headers = {"request-id": f"req_{self.served}"}
        if request.streams:
            return Reply.stream(self.events(head, said, used), SSE, used, headers)
        blocks = [{"type": "text", "text": said}]
        if self.reason:
            blocks.insert(0, {"type": "thinking", "thinking": self.reason, "signature": "s"})
        return Reply(200, dict(head, content=blocks, stop_reason="end_turn", stop_sequence=None, usage={
            "input_tokens": used[1], "output_tokens": used[2], "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0, "service_tier": "standard"}), used=used, headers=headers)

    def events(self, head, said, used):
        def event(kind, **more):
            return sse(dict({"type": kind}, **more), kind)
        yield event("message_start", message=dict(
            head, content=[], stop_reason=None, stop_sequence=None,
            usage={"input_tokens": used[1], "output_tokens": 1}))
        yield event("content_block_start", index=0, content_block={"type": "text", "text": ""})
        yield event("ping")
        for piece in pieces_of(said):
            yield event("content_block_delta", index=0, delta={"type": "text_delta", "text": piece})
        yield event("content_block_stop", index=0)
        yield event("a_later_invention", more=1)
        yield event("message_delta", delta={"stop_reason": "end_turn", "stop_sequence": None},
                    usage={"output_tokens": used[2]})
        yield event("message_stop")

    def list_models(self, request):
        rows = [self.describe_model(name) for name in self.models]
        return Reply(200, {"data": rows, "has_more": False, "first_id": rows[0]["id"] if rows else None,
                           "last_id": rows[-1]["id"] if rows else None})

    def describe_model(self, name):
        return {"type": "model", "id": name, "display_name": name, "created_at": "2026-01-01T00:00:00Z"}

    def show_model(self, request):
        name = request.path.removeprefix("/v1/models/")
        self.check_model(name)
        return Reply(200, self.describe_model(name))


# ---- Ollama ----------------------------------------------------------------------------------

OLLAMA_OPTIONS = fields({
    "num_ctx": whole(1), "num_predict": whole(-1), "temperature": number(0, 10), "top_k": whole(0),
    "top_p": number(0, 1), "min_p": number(0, 1), "seed": whole(0), "stop": several(text),
    "repeat_penalty": number(0, 10), "num_keep": whole(0)})
KEEP_ALIVE = either(text, number(-1e9, 1e9))
OLLAMA_CHAT = {
    "model!": text, "messages!": several(fields({
        "role!": one_of("system", "user", "assistant"), "content!": text}), 1),
    "stream!": flag,  # its default is true: a client that means something says it
    "options": OLLAMA_OPTIONS, "keep_alive": KEEP_ALIVE, "think": flag, "truncate": flag, "shift": flag}
OLLAMA_EMBED = {"model!": text, "input!": either(text, several(text, 1)), "truncate": flag,
                "dimensions": whole(1), "keep_alive": KEEP_ALIVE, "options": OLLAMA_OPTIONS}


class Ollama(Vendor):
    """`more`: legacy = True: a server from before /api/embed."""
    kind = "ollama"
    chat_model, embed_model, rerank_model = "llama3.2", "nomic-embed-text", None
    needs_key = False

    def route(self, request):
        legacy = self.more.get("legacy")
        return {("POST", "/api/chat"): self.chat, ("GET", "/api/version"): self.version,
                ("POST", "/api/embed"): None if legacy else self.embed,
                ("POST", "/api/embeddings"): self.embed_one, ("POST", "/api/show"): self.show_model,
                ("GET", "/api/tags"): self.list_models}.get((request.method, request.path))

    def authorize(self, request):
        if self.more.get("token"):
            bearer(request, self.key)

    def error(self, status, message, word=None):
        if word == "path":
            return Reply(404, "404 page not found", "text/plain")
        return Reply(status, {"error": message})

    def check_model(self, name):
        if name.removesuffix(":latest") not in [model.removesuffix(":latest") for model in self.models]:
            raise Refusal(404, f"model \"{name}\" not found, try pulling it first", "model")

    def chat(self, request):
        asked = request.json
        require(asked, OLLAMA_CHAT)
        self.check_model(asked["model"])
        said = request.alter_text(answer_prompt("\n".join(row["content"] for row in asked["messages"])))
        used = ("chat", sum(count_tokens(row["content"]) for row in asked["messages"]), count_tokens(said))
        head = {"model": asked["model"], "created_at": "2026-08-21T10:00:00.1Z"}
        counts = {"prompt_eval_count": used[1], "eval_count": used[2]} if self.usage else {}
        last = dict(head, done=True, done_reason="stop", total_duration=812345678, load_duration=1234567,
                    prompt_eval_duration=130079000, eval_duration=250000000, **counts)
        request.streams = asked["stream"]
        if not request.streams:
            return Reply(200, dict(last, message={"role": "assistant", "content": said}), used=used)

        def lines():
            for piece in pieces_of(said):
                yield json.dumps(dict(head, done=False, message={"role": "assistant", "content": piece}),
                                 ensure_ascii=False) + "\n"
            yield json.dumps(dict(last, message={"role": "assistant", "content": ""})) + "\n"
        return Reply.stream(lines(), "application/x-ndjson", used)

    def embed(self, request):
        asked = request.json
        require(asked, OLLAMA_EMBED)
        self.check_model(asked["model"])
        texts = asked["input"] if isinstance(asked["input"], list) else [asked["input"]]
        used = ("embed", sum(map(count_tokens, texts)), 0)
        body = {"model": asked["model"], "total_duration": 14143917, "load_duration": 1019500,
                "embeddings": self.vectors(request, texts, asked.get("dimensions", self.width))}
        if self.usage:
            body["prompt_eval_count"] = used[1]
        return Reply(200, body, used=used)

    def embed_one(self, request):
        asked = request.json
        require(asked, {"model!": text, "prompt!": text, "options": OLLAMA_OPTIONS, "keep_alive": KEEP_ALIVE})
        self.check_model(asked["model"])
        vector = self.vectors(request, [asked["prompt"]], self.width)[0]
        return Reply(200, {"embedding": [3 * value for value in vector]},  # not normalised
                     used=("embed", count_tokens(asked["prompt"]), 0))

    def version(self, request):
        return Reply(200, {"version": "0.33.0"})

    def list_models(self, request):
        return Reply(200, {"models": [{"name": name + ":latest", "model": name + ":latest", "size": 1,
                                       "digest": "d", "details": {"format": "gguf"}} for name in self.models]})

    def show_model(self, request):
        require(request.json, {"model!": text, "verbose": flag})
        self.check_model(request.json["model"])
        kind = "embedding" if request.json["model"] == self.embed_model else "completion"
        return Reply(200, {"details": {"format": "gguf"}, "model_info": {}, "capabilities": [kind]})


# ---- Cohere ----------------------------------------------------------------------------------

COHERE_EMBED = {
    "model!": text, "texts!": several(text, 1), "truncate": one_of("NONE", "START", "END"),
    "input_type!": one_of("search_document", "search_query", "classification", "clustering"),
    "embedding_types!": several(one_of("float", "base64"), 1, 1), "max_tokens": whole(1),
    "output_dimension": one_of(256, 512, 1024, 1536), "priority": whole(0, 999)}
COHERE_RERANK = {"model!": text, "query!": text, "documents!": several(text, 1, 1000),
                 "top_n": whole(1), "max_tokens_per_doc": whole(1), "priority": whole(0, 999)}


class Cohere(Vendor):
    kind = "cohere"
    chat_model, embed_model, rerank_model = None, "embed-v4.0", "rerank-v3.5"

    def route(self, request):
        return {("POST", "/v2/embed"): self.embed, ("POST", "/v2/rerank"): self.rerank,
                ("POST", "/v1/check-api-key"): self.check_key,
                ("GET", "/v1/models"): self.list_models}.get((request.method, request.path)) or (
                    self.show_model if request.method == "GET" and request.path.startswith("/v1/models/") else None)

    def error(self, status, message, word=None):
        if word == "quota":
            message = "You are using a Trial key, which is limited to 1000 API calls / month."
        return Reply(status, {"id": f"e{self.served}", "message": message})

    def embed(self, request):
        asked = request.json
        require(asked, COHERE_EMBED)
        self.check_model(asked["model"])
        if len(asked["texts"]) > 96:
            raise Refusal(400, f"invalid request: total number of texts must be at most 96 - "
                               f"received {len(asked['texts'])}")
        if "output_dimension" in asked and not asked["model"].startswith("embed-v4"):
            raise Refusal(400, "output_dimension is not supported by this model")
        vectors = self.vectors(request, asked["texts"], asked.get("output_dimension", self.width))
        kind = asked["embedding_types"][0]
        used = ("embed", sum(map(count_tokens, asked["texts"])), 0)
        return Reply(200, {
            "id": f"e{self.served}", "response_type": "embeddings_by_type", "texts": asked["texts"],
            "embeddings": {kind: [pack_floats(row) for row in vectors] if kind == "base64" else vectors},
            "meta": {"api_version": {"version": "2"}, "billed_units": {"input_tokens": used[1]}}}, used=used)

    def rerank(self, request):
        asked = request.json
        require(asked, COHERE_RERANK)
        self.check_model(asked["model"])
        return Reply(200, {"id": "r1", "results": rank(asked),
                           "meta": {"api_version": {"version": "2"}, "billed_units": {"search_units": 1}}},
                     used=("rerank", 0, 0))

    def check_key(self, request):
        return Reply(200, {"valid": True, "organization_id": "o", "owner_id": "w"})

    def describe_model(self, name):
        return {"name": name, "endpoints": ["rerank" if name.startswith("rerank") else "embed"],
                "context_length": 4096, "finetuned": False}

    def list_models(self, request):
        wanted = request.query.get("endpoint")
        rows = [self.describe_model(name) for name in self.models]
        return Reply(200, {"models": [row for row in rows if not wanted or wanted in row["endpoints"]]})

    def show_model(self, request):
        name = request.path.removeprefix("/v1/models/")
        self.check_model(name)
        return Reply(200, self.describe_model(name))


VENDORS = {vendor.kind: vendor for vendor in (
    OpenAI, AzureOpenAI, Groq, LMStudio, Compatible, Anthropic, Ollama, Cohere)}
