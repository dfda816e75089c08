# SPDX-License-Identifier: Apache-2.0
"""What tests of deployments share: a daemon whose releases need no confirmation, changed profiles,
documents that can be told apart, and searches that run beside everything else."""

import json
import os
import re
import threading
import time

from ragdtest import Ragd

AT_ONCE = """
[rag.release]
confirm_minutes = 0
bake_minutes = 0
"""


def new(scratch, profile="", **more):
    return Ragd(scratch, profile=profile + AT_ONCE, **more)


def changed(ragd, *replacements, name="next.toml"):
    """A copy of the daemon's profile with these (old, new) texts, beside it."""
    with open(ragd.profile, encoding="utf-8") as file:
        text = file.read()
    for old, new_text in replacements:
        assert old in text, (old, text)
        text = text.replace(old, new_text)
    path = os.path.join(ragd.scratch, name)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def edit(ragd, *replacements):
    """The same in the daemon's own profile."""
    os.replace(changed(ragd, *replacements, name="edited.toml"), ragd.profile)


def fill(ragd, count=50, collection="c", first=0, create=True):
    if create:
        ragd.create(collection)
    lines = "".join(
        json.dumps({"external_id": f"d{n}", "text": f"document number {n} about topic{n % 7}"}) + "\n"
        for n in range(first, first + count))
    job = ragd.http("POST", f"/api/v1/collections/{collection}/documents:batch", lines,
                    {"Content-Type": "application/x-ndjson"}, status=202)[2]["job_id"]
    assert ragd.wait_job(job)["status"] == "succeeded"


def deploy(ragd, path, *words, code=0, reason="a test"):
    done = ragd.ragctl("deploy", path, "--reason", reason, "--yes", *words, "--json", code=code)
    return json.loads(done.stdout)


def plan(ragd, path, code=0):
    return json.loads(ragd.ragctl("plan", path, "--json", code=code).stdout)


def status(ragd):
    """What `ragctl status` tells of releases."""
    return ragd.ragctl_json("status")["releases"]


def visible(ragd, collection="c", mode="bm25"):
    """The external ids of all documents that a search finds, and the release that answered."""
    code, headers, data = ragd.http("POST", "/api/v1/search", {
        "query": "document number", "collections": [collection], "mode": mode, "limit": 1000})
    assert code == 200, data
    return {row["external_id"] for row in data["results"]}, int(headers["Ragd-Release"])


def dimensions(ragd, collection="c"):
    """Of the generation that serves."""
    rows = ragd.ragctl_json("generation", "list", collection)["generations"]
    serving = [row for row in rows if row.get("serving")]
    assert len(serving) == 1, rows
    return serving[0]["dimensions"]


class Searcher(threading.Thread):
    """Searches without pause until stop(); keeps every answer that was wrong."""

    def __init__(self, ragd, collection="c", expect="d17", query="document number 17"):
        super().__init__(daemon=True)
        self.ragd, self.collection, self.expect, self.query = ragd, collection, expect, query
        self.ended = threading.Event()
        self.problems, self.releases, self.took, self.count = [], set(), [], 0

    def run(self):
        connection = self.ragd.connect()
        while not self.ended.is_set():
            begin = time.monotonic()
            try:
                code, headers, data = self.ragd.http("POST", "/api/v1/search", {
                    "query": self.query, "collections": [self.collection], "mode": "hybrid"},
                    connection=connection)
            except Exception as error:  # pylint: disable=broad-except
                self.problems.append(repr(error))
                connection.close()
                connection = self.ragd.connect()
                continue
            self.took.append(time.monotonic() - begin)
            self.count += 1
            if code != 200 or not data["results"] or data["results"][0]["external_id"] != self.expect:
                self.problems.append((code, data))
            else:
                self.releases.add(int(headers["Ragd-Release"]))
                if data.get("release", int(headers["Ragd-Release"])) != int(headers["Ragd-Release"]):
                    self.problems.append(("two releases in one answer", headers["Ragd-Release"], data["release"]))
        connection.close()

    def stop(self):
        self.ended.set()
        self.join()
        assert not self.problems, self.problems[:2]
        assert self.count > 0
        return self


def crash_points(source):
    """The names of all points in a folder of the source."""
    names = set()
    for folder, _, files in os.walk(source):
        for name in files:
            if name.endswith(".c"):
                with open(os.path.join(folder, name), encoding="utf-8") as file:
                    names |= set(re.findall(r'crash_point\("([a-z.]+)"\)', file.read()))
    return names
