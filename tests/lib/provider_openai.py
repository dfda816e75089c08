# SPDX-License-Identifier: Apache-2.0
"""Vendors of the OpenAI shape, and what each makes of it."""

import re

from provider_wire import (Refusal, Reply, Vendor, answer_prompt, bearer, count_tokens, either,
                           fields, flag, number, one_of, pack_floats, pieces_of, require, several,
                           shared_words, sse, text, whole)

SSE = "text/event-stream"

# ---- The OpenAI shape ------------------------------------------------------------------------

TEXT_PART = fields({"type!": one_of("text"), "text!": text})
MESSAGE = {"role!": one_of("developer", "system", "user", "assistant"),
           "content!": either(text, several(TEXT_PART, 1)), "name": text}
OPENAI_CHAT = {
    "model!": text, "messages!": several(fields(MESSAGE), 1),
    "max_completion_tokens": whole(1), "max_tokens": whole(1),
    "temperature": number(0, 2), "top_p": number(0, 1), "n": one_of(1),
    "stop": either(text, several(text, 1, 4)),
    "presence_penalty": number(-2, 2), "frequency_penalty": number(-2, 2),
    "reasoning_effort": text, "verbosity": text, "service_tier": text, "seed": whole(0),
    "safety_identifier": text, "prompt_cache_key": text, "store": flag,
    "stream": flag, "stream_options": fields({"include_usage": flag, "include_obfuscation": flag}),
}
OPENAI_EMBED = {"model!": text, "input!": either(text, several(text, 1, 2048)),
                "encoding_format": one_of("float", "base64"), "dimensions": whole(1), "user": text}
RERANK = {"model!": text, "query!": text, "documents!": several(text, 1), "top_n": whole(1),
          "return_documents": flag}


def content_of(message):
    content = message["content"]
    return content if isinstance(content, str) else "".join(part["text"] for part in content)


class OpenAI(Vendor):
    kind = "openai"
    path = "/v1"
    chat_model = "gpt-4-turbo-preview"
    embed_model = "text-embedding-3-small"
    rerank_model = None
    chat_table = OPENAI_CHAT
    embed_table = OPENAI_EMBED
    length_names = ("max_completion_tokens", "max_tokens")
    reason_key = "reasoning"
    first_chunks = ()

    def route(self, request):
        path = request.path.removeprefix(self.path)
        if path == request.path and self.path:
            return None
        return {("POST", "/chat/completions"): self.chat,
                ("POST", "/embeddings"): self.embed if self.embed_model else None,
                ("POST", "/rerank"): self.rerank if self.rerank_model else None,
                ("GET", "/models"): self.list_models}.get((request.method, path)) or (
                    self.show_model if request.method == "GET" and path.startswith("/models/") else None)

    def error(self, status, message, word=None):
        kinds = {401: ("invalid_request_error", "invalid_api_key"),
                 404: ("invalid_request_error", "model_not_found"),
                 413: ("invalid_request_error", "context_length_exceeded"),
                 429: ("requests", "rate_limit_exceeded"), 500: ("server_error", None),
                 503: ("service_unavailable_error", "server_is_overloaded")}
        kind, code = kinds.get(status, ("invalid_request_error", None))
        if word == "quota":
            kind = code = "insufficient_quota"
        elif word == "filter":
            code = "content_filter"
        elif word == "context":
            code = "context_length_exceeded"
        return Reply(status, {"error": {"message": message, "type": kind, "param": None,
                                        "code": self.code_of(status, code)}})

    def code_of(self, status, code):
        return code

    # -- chat

    def check_chat(self, request):
        asked = request.json
        require(asked, self.chat_table)
        for name in ("max_tokens", "max_completion_tokens"):
            if name in asked and name not in self.length_names:
                raise Refusal(400, f"Unsupported parameter: '{name}' is not supported with this model.",
                              "unsupported")
        if "max_tokens" in asked and "max_completion_tokens" in asked:
            raise Refusal(400, "max_tokens and max_completion_tokens cannot both be set")
        if "stream_options" in asked and not asked.get("stream"):
            raise Refusal(400, "The 'stream_options' parameter is only allowed when 'stream' is enabled.")
        if self.refuses_sampling and ("temperature" in asked or "top_p" in asked):
            raise Refusal(400, "Unsupported value: 'temperature' does not support it with this model.")
        roles = [message["role"] for message in asked["messages"]]
        if self.refuses_system and "system" in roles:
            raise Refusal(400, "Only user and assistant roles are supported!")
        if roles[-1] != "user" or "system" in roles[1:]:
            raise Refusal(400, f"roles in this order: {roles}")
        self.check_model(asked["model"])
        request.streams = bool(asked.get("stream"))

    def chat(self, request):
        self.check_chat(request)
        asked = request.json
        prompt = "\n".join(content_of(message) for message in asked["messages"])
        said = request.alter_text(answer_prompt(prompt))
        used = ("chat", sum(count_tokens(content_of(message)) for message in asked["messages"]),
                count_tokens(said))
        usage = {"prompt_tokens": used[1], "completion_tokens": used[2],
                 "total_tokens": used[1] + used[2],
                 "prompt_tokens_details": {"cached_tokens": 0}, **self.usage_extra()}
        if request.streams:
            return Reply.stream(self.chunks(request, said, usage), SSE, used,
                                {"x-request-id": f"req_{self.served}"})
        message = {"role": "assistant", "content": said, "refusal": None}
        if self.reason:
            message[self.reason_key] = self.reason
        body = {"id": f"chatcmpl-{self.served}", "object": "chat.completion", "created": 1760000000,
                "model": self.answer_model(asked),
                "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
                **self.body_extra()}
        if self.usage:
            body["usage"] = usage
        return Reply(200, body, headers={"x-request-id": f"req_{self.served}"}, used=used)

    def answer_model(self, asked):
        return asked["model"] + "-2026-01-01" if self.kind == "openai" else asked["model"]

    def usage_extra(self):
        return {}

    def body_extra(self):
        return {}

    def chunk(self, asked, choices, **more):
        return {"id": f"chatcmpl-{self.served}", "object": "chat.completion.chunk",
                "created": 1760000000, "model": self.answer_model(asked), "choices": choices, **more}

    def chunks(self, request, said, usage):
        asked = request.json
        wants_usage = self.usage and asked.get("stream_options", {}).get("include_usage")
        null = {"usage": None} if wants_usage else {}

        def delta(value, finish=None):
            return sse(self.chunk(asked, [{"index": 0, "delta": value, "finish_reason": finish,
                                           "logprobs": None}], **null))
        yield from self.first_chunks
        yield delta({"role": "assistant", "content": ""})
        if self.reason:
            yield delta({self.reason_key: self.reason})
        for piece in pieces_of(said):
            yield delta({"content": piece})
        yield self.last_chunk(delta, asked, usage)
        if wants_usage:
            yield sse(self.chunk(asked, [], usage=usage))
        yield sse("[DONE]")

    def last_chunk(self, delta, asked, usage):
        return delta({}, "stop")

    # -- embeddings

    def embed(self, request):
        asked = request.json
        require(asked, self.embed_table)
        self.check_model(asked["model"])
        texts = asked["input"] if isinstance(asked["input"], list) else [asked["input"]]
        if sum(map(count_tokens, texts)) > 300000:
            raise Refusal(400, "too many tokens in one request", "context")
        vectors = self.vectors(request, texts, self.width_of(asked))
        packed = asked.get("encoding_format") == "base64"
        data = [{"object": "embedding", "index": index,
                 "embedding": pack_floats(vector) if packed and self.packs else vector}
                for index, vector in enumerate(vectors)]
        data.reverse()  # results go by their index, not by their place
        used = ("embed", sum(map(count_tokens, texts)), 0)
        body = {"object": "list", "model": asked["model"], "data": data}
        if self.usage:
            body["usage"] = self.embed_usage(used[1])
        return Reply(200, body, used=used)

    packs = True

    def width_of(self, asked):
        return asked.get("dimensions", self.width)

    def embed_usage(self, tokens):
        return {"prompt_tokens": tokens, "total_tokens": tokens}

    # -- models, rerank

    def list_models(self, request):
        return Reply(200, {"object": "list", "data": [self.describe_model(name) for name in self.models]})

    def show_model(self, request):
        name = request.path.removeprefix(self.path + "/models/")
        self.check_model(name)
        return Reply(200, self.describe_model(name))

    def describe_model(self, name):
        return {"id": name, "object": "model", "created": 1700000000, "owned_by": "system"}

    def rerank(self, request):
        asked = request.json
        require(asked, RERANK)
        self.check_model(asked["model"])
        results = rank(asked)
        tokens = count_tokens(asked["query"]) + sum(map(count_tokens, asked["documents"]))
        return Reply(200, {"id": "r1", "model": asked["model"], "results": results,
                           "usage": {"total_tokens": tokens}}, used=("rerank", tokens, 0))


def rank(asked):
    rows = [{"index": index, "relevance_score": shared_words(asked["query"], document)}
            for index, document in enumerate(asked["documents"])]
    rows.sort(key=lambda row: -row["relevance_score"])
    return rows[:asked.get("top_n", len(rows))]


class AzureOpenAI(OpenAI):
    """Both URL families.  `more`: chat_deployment, embed_deployment, versions."""
    kind = "azure-openai"
    path = ""
    versions = ("2024-10-21", "2024-02-15-preview", "2024-06-01")
    chat_deployment, embed_deployment = "gpt4o-prod", "embed-prod"
    chat_table = {("model" if name == "model!" else name): check for name, check in OPENAI_CHAT.items()}
    embed_table = {("model" if name == "model!" else name): check for name, check in OPENAI_EMBED.items()}
    first_chunks = (
        sse({"choices": [], "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": {
            "hate": {"filtered": False, "severity": "safe"}}}], "id": "", "model": "", "created": 0, "object": ""}),)

    def route(self, request):
        if request.path.startswith("/openai/v1/"):
            request.family = "v1"
            action = request.path.removeprefix("/openai/v1")
        else:
            request.family = "dated"
            found = re.fullmatch(r"/openai(?:/deployments/([^/]+))?(/chat/completions|/embeddings|/models)",
                                 request.path)
            if not found or bool(found.group(1)) == (found.group(2) == "/models"):
                return None
            request.deployment, action = found.groups()
        return {("POST", "/chat/completions"): self.chat, ("POST", "/embeddings"): self.embed,
                ("GET", "/models"): self.list_models}.get((request.method, action))

    def authorize(self, request):
        if request.headers.get("api-key") != self.key:
            if request.family != "v1":
                raise Refusal(401, "Access denied due to invalid subscription key or wrong API endpoint.")
            bearer(request, self.key)
        if request.family == "dated" and request.query.get("api-version") not in self.versions:
            raise Refusal(404, "Resource not found", "path")

    def code_of(self, status, code):
        return code if code == "content_filter" else str(status)

    def error(self, status, message, word=None):
        reply = super().error(status, message, word)
        if status == 404:
            reply = Reply(404, {"error": {"code": "DeploymentNotFound" if word == "model" else "404",
                                          "message": message}})
        return reply

    def check_deployment(self, request, wanted):
        name = request.json.get("model") if request.family == "v1" else request.deployment
        if name != wanted:
            raise Refusal(404, "The API deployment for this resource does not exist.", "model")
        request.json["model"] = "gpt-4o"

    def chat(self, request):
        self.check_deployment(request, self.more.get("chat_deployment", self.chat_deployment))
        if request.family == "dated" and "max_completion_tokens" in request.json:
            raise Refusal(400, "Unrecognized request argument supplied: max_completion_tokens", "unknown")
        return super().chat(request)

    def embed(self, request):
        self.check_deployment(request, self.more.get("embed_deployment", self.embed_deployment))
        return super().embed(request)

    def check_model(self, name):
        pass

    def body_extra(self):
        return {"prompt_filter_results": [{"prompt_index": 0, "content_filter_results": {}}]}

    def last_chunk(self, delta, asked, usage):
        # the asynchronous filter: a choice without a delta
        return sse(self.chunk(asked, [{"index": 0, "finish_reason": None, "content_filter_results": {},
                                       "content_filter_offsets": {"check_offset": 0}}])) + delta({}, "stop")


class Groq(OpenAI):
    kind = "groq"
    path = "/openai/v1"
    chat_model = "llama-3.1-8b-instant"
    embed_model = None
    chat_table = dict({name: check for name, check in OPENAI_CHAT.items()
                       if name not in ("verbosity", "store", "safety_identifier", "prompt_cache_key")},
                      **{"messages!": several(fields({name: check for name, check in MESSAGE.items()
                                                      if name != "name"}), 1)})

    def usage_extra(self):
        return {"queue_time": 0.03, "prompt_time": 0.001, "completion_time": 0.05, "total_time": 0.051}

    def body_extra(self):
        return {"x_groq": {"id": f"req_{self.served}"}, "system_fingerprint": "fp_1", "service_tier": "on_demand"}

    def last_chunk(self, delta, asked, usage):
        groq = {"id": f"req_{self.served}"}
        if self.usage:
            groq["usage"] = usage
        return sse(self.chunk(asked, [{"index": 0, "delta": {}, "finish_reason": "stop", "logprobs": None}],
                              x_groq=groq))


class LMStudio(OpenAI):
    kind = "lmstudio"
    chat_model = "qwen2.5-7b-instruct"
    embed_model = "text-embedding-nomic-embed-text-v1.5"
    length_names = ("max_tokens",)
    packs = False
    embed_table = {name: check for name, check in OPENAI_EMBED.items() if name != "dimensions"}
    needs_key = False

    def route(self, request):
        return (self.native_models if (request.method, request.path) == ("GET", "/api/v1/models")
                else super().route(request))

    def authorize(self, request):
        if self.more.get("token"):
            bearer(request, self.key)

    def error(self, status, message, word=None):
        if word == "path":
            return Reply(200, {"error": f"Unexpected endpoint or method. ({message}). Returning 200 anyway"})
        return super().error(status, message, word)

    def embed_usage(self, tokens):
        return {"prompt_tokens": 0, "total_tokens": 0}

    def native_models(self, request):
        return Reply(200, {"models": [
            {"type": "embedding" if name == self.embed_model else "llm", "publisher": "p", "key": name,
             "loaded_instances": [{"id": name, "config": {"context_length": 8192}}],
             "max_context_length": 32768, "format": "gguf"} for name in self.models]})


class Compatible(OpenAI):
    """openai-compatible; `more`: server = vllm | vllm-old | llama.cpp | litellm."""
    kind = "openai-compatible"
    chat_model = "all-purpose"
    embed_model = "all-MiniLM-L6-v2"
    rerank_model = "bge-reranker"
    needs_key = False

    def __init__(self, key, width, server="vllm", **more):
        super().__init__(key, width, **more)
        self.server = server

    def route(self, request):
        if request.method == "GET" and request.path in ("/health", "/v1/health", "/health/liveliness"):
            return self.health
        return super().route(request)

    def authorize(self, request):
        if self.more.get("token") and request.path not in ("/health", "/v1/health", "/health/liveliness"):
            bearer(request, self.key)

    def health(self, request):
        if self.server == "llama.cpp":
            return Reply(200, {"status": "ok"})
        return Reply(200, "I'm alive!" if self.server == "litellm" else b"", "text/plain")

    def check_model(self, name):
        if self.server != "llama.cpp":  # it serves one model, whatever its name
            super().check_model(name)

    def describe_model(self, name):
        row = super().describe_model(name)
        if self.server == "llama.cpp":
            row["meta"] = {"n_ctx_train": 8192, "n_embd": self.width}
        elif self.server.startswith("vllm"):
            row.update(max_model_len=8192, root=name, parent=None, permission=[])
        return row

    def error(self, status, message, word=None):
        if self.server == "vllm-old":
            return Reply(status, {"object": "error", "message": message, "type": "BadRequestError",
                                  "param": None, "code": status})
        return super().error(status, message, word)

    def code_of(self, status, code):
        return str(status) if self.server == "litellm" else status

    def chunks(self, request, said, usage):
        for piece in super().chunks(request, said, usage):
            yield piece.replace("\n", "\r\n") if self.server == "vllm" else piece
            if self.server == "llama.cpp":
                yield ":\n\n"  # a ping
