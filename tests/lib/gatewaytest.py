# SPDX-License-Identifier: Apache-2.0
"""What tests of providers and the gateway share: profiles around scripted providers, documents to
ask about, answers at once and streamed, the books."""

import concurrent.futures
import contextlib
import json
import os
import tempfile
import time

from provider import KEY, NoCertificates, Provider  # noqa: F401  (for those who import from here)
from ragdtest import PATIENCE, Ragd, eventually

DOCUMENTS = {
    "nile": "The Nile flows north through eleven countries. It reaches the sea in Egypt.",
    "rhine": "The Rhine rises in the Swiss Alps. It flows through Basel and Cologne.",
    "danube": "The Danube crosses ten countries. Vienna and Budapest lie on its banks.",
}
QUESTION = "Which cities lie on the banks of the Danube?"
KEY_VARIABLE = "RAGD_TEST_KEY"


def toml(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(toml(item) for item in value) + "]"
    return json.dumps(value) if isinstance(value, str) else str(value)


def section(name, keys):
    return f"[rag.{name}]\n" + "".join(f"{key} = {toml(value)}\n" for key, value in keys.items())


def table(name, kind, **keys):
    return section(f"providers.{name}", dict({"kind": kind}, **keys))


def remote(provider, name, use, **keys):
    """The table of a scripted provider; `use`: chat, embed or rerank.  Not adaptive, so that one
    fault does not change what the next request meets."""
    found = {"kind": provider.kind, "endpoint": provider.endpoint,
             "model": getattr(provider.vendor, use + "_model") or "none", "adaptive": False}
    if provider.vendor.needs_key or provider.vendor.more.get("token"):
        found["api_key"] = "env:" + KEY_VARIABLE
    if provider.kind == "azure-openai":
        del found["model"]
        found["deployment"] = getattr(provider.vendor, use + "_deployment")
        found["api_version"] = "2024-10-21"
    if use == "embed" and provider.kind in ("openai-compatible", "lmstudio", "azure-openai"):
        found["dimensions"] = provider.vendor.width
    found.update(keys)
    return section("providers." + name, {key: value for key, value in found.items() if value is not None})


def profile(*tables, embedder="hashing", generators=(), reranker=None, dimensions=64, **sections):
    """A whole profile with short backoffs.  Further arguments are sections, __ for a dot:
    embedding={…}, generation__routing={…}."""
    known = {
        "server": {"listen": ["127.0.0.1:0"]},
        "vector_storage": {"dimensions": dimensions},
        "embedding": {"default_provider": embedder, "max_retries": 2, "timeout_seconds": 20,
                      "cache_enabled": False},
        "chunking": {"chunk_size": 64, "overlap": 8, "min_chunk_size": 8, "max_chunk_size": 256},
        "generation": {"providers": list(generators), "max_retries": 2, "timeout_seconds": 20},
        "retrieval": {"rerank_provider": reranker} if reranker else {},
        "cache": {"search_cache_enabled": False},
        "resilience": {"backoff_initial_ms": 2, "backoff_max_ms": 20, "retry_budget_ratio": 1.0,
                       "breaker_failures": 1000},
        "budget": {"daily_usd": 1000.0, "monthly_usd": 1000.0},
    }
    for name, keys in sections.items():
        known.setdefault(name.replace("__", "."), {}).update(keys)
    return ('stage = "development"\n[rag]\nenabled = true\n' +
            "".join(section(name, keys) for name, keys in known.items() if keys) + "".join(tables))


class House(Ragd):
    """ragd with a profile of these arguments, and the key in its environment."""

    def __init__(self, scratch, *tables, env=None, text=None, state=None, **more):
        folder = tempfile.mkdtemp(dir=scratch)
        super().__init__(folder, base=text or profile(*tables, **more), state=state,
                         env=dict({KEY_VARIABLE: KEY}, **(env or {})))

    def whole_log(self):
        with open(os.path.join(self.scratch, "log"), encoding="utf-8", errors="replace") as file:
            return file.read()

    def __exit__(self, kind, value, trace):
        super().__exit__(kind, value, trace)
        if kind is None:
            assert KEY not in self.whole_log(), "the log shows a key"

    # -- what most tests do

    def fill(self, documents=None, collection="rivers", create=True):
        """Puts documents one by one; the last state of each job."""
        if create:
            self.create(collection)
        return [self.wait_job(self.put(name, text, collection)["job_id"])
                for name, text in (documents or DOCUMENTS).items()]

    def batch(self, documents, collection="rivers", create=True):
        """All in one job; its last state."""
        if create:
            self.create(collection)
        lines = "".join(json.dumps({"external_id": name, "text": text}) + "\n"
                        for name, text in documents.items())
        job = self.http("POST", f"/api/v1/collections/{collection}/documents:batch", lines,
                        {"Content-Type": "application/x-ndjson"}, status=202)[2]["job_id"]
        return self.wait_job(job)

    def find(self, query, mode="dense", status=200, **more):
        answer = self.search(query, status=status, collections=["rivers"], mode=mode, **more)
        if "results" in answer:
            answer["found"] = [row["external_id"] for row in answer["results"]]
        return answer

    def ask(self, question=QUESTION, status=200, **more):
        return self.http("POST", "/api/v1/answer", dict(
            {"question": question, "search": {"collections": ["rivers"]}}, **more), status=status)[2]

    def ask_streamed(self, question=QUESTION, **more):
        """(events [(name, json)], the text of the deltas)."""
        _, headers, data = self.http("POST", "/api/v1/answer", dict(
            {"question": question, "search": {"collections": ["rivers"]}, "stream": True}, **more), status=200)
        assert headers["Content-Type"].startswith("text/event-stream"), headers
        events = parse_events(data)
        return events, "".join(value["text"] for name, value in events if name == "delta")

    def metrics(self):
        """{series: value}"""
        lines = self.http("GET", "/metrics", status=200)[2].decode().splitlines()
        return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1])
                for line in lines if line and not line.startswith("#")}

    def provider(self, name):
        """How `ragctl provider show` describes one."""
        return self.ragctl_json("provider", "show", name)["provider"]

    def usage(self, by="provider", *words):
        """The rows of `ragctl usage`."""
        return self.ragctl_json("usage", "--by", by, *words)["rows"]

    def books(self):
        """{provider: row} of this month."""
        return {row["provider"]: row for row in self.usage()}


def parse_events(data):
    events = []
    for block in data.decode().strip().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n") if ": " in line)
        if "event" in fields:
            events.append((fields["event"], json.loads(fields["data"])))
    return events


def detail(problem):
    """All that a problem says."""
    return json.dumps(problem)


def in_parallel(function, items):
    """function(item) for each, at the same time; the first failure is the caller's."""
    items = list(items)
    with concurrent.futures.ThreadPoolExecutor(len(items)) as pool:
        for future in [pool.submit(function, item) for item in items]:
            future.result()


@contextlib.contextmanager
def faster_than(seconds):
    """Within a patience that grows on slow machines."""
    begin = time.monotonic()
    yield
    took = time.monotonic() - begin
    assert took < seconds * PATIENCE, f"took {took:.2f} s"


__all__ = ["DOCUMENTS", "QUESTION", "KEY", "KEY_VARIABLE", "House", "NoCertificates", "PATIENCE", "Provider",
           "detail", "eventually", "faster_than", "in_parallel",
           "parse_events", "profile", "remote", "section", "table"]
