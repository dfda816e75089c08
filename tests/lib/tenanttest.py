# SPDX-License-Identifier: Apache-2.0
"""What tests of tenants share: a daemon that asks for keys, tenants with keys, requests in their
name, and the audit log as it lies on disk."""

import glob
import json
import os

from ragdtest import Ragd, eventually

PROFILE = """stage = "testing"
[rag]
enabled = true
multi_tenant = true
[rag.server]
listen = ["127.0.0.1:0"]
{server}
[rag.vector_storage]
dimensions = 64
[rag.embedding]
default_provider = "hashing"
[rag.chunking]
chunk_size = 64
overlap = 8
min_chunk_size = 8
max_chunk_size = 256
[rag.security]
{security}
[rag.multi_tenant_settings]
{settings}
"""


class Tenants(Ragd):
    """A daemon with several tenants.  `keys` maps a tenant to the key that http() uses for it."""

    def __init__(self, scratch, profile="", server="", security="", settings="", **more):
        base = PROFILE.format(server=server, security=security, settings=settings)
        super().__init__(scratch, profile=profile, base=base, **more)
        self.keys = {}

    def tenant(self, name, scopes="read,write", **options):
        """Makes it, with one key."""
        self.ragctl("tenant", "create", name)
        self.keys[name] = self.key(name, scopes=scopes, **options)
        return self.keys[name]

    def key(self, tenant, name="test", scopes="read,write", **options):
        words = [word for option, value in options.items()
                 for word in ("--" + option.replace("_", "-"), str(value))]
        return self.ragctl("key", "create", tenant, "--name", name, "--scopes", scopes,
                           *words).stdout.strip()

    def ask(self, tenant, method, path, body=None, headers=None, status=None, key=None, **more):
        """http() with the tenant's key, or with another one."""
        given = dict(headers or {})
        key = key or self.keys[tenant]
        if key:
            given.setdefault("Authorization", f"Bearer {key}")
        return self.http(method, path, body, given, status=status, **more)

    def store(self, tenant, collection, external_id, text, **more):
        """One document, visible when it returns."""
        reply = self.ask(tenant, "PUT", f"/api/v1/collections/{collection}/documents/{external_id}",
                         dict(text=text, **more))
        assert reply[0] in (200, 202), reply
        if reply[0] == 202:
            self.wait(tenant, reply[2]["job_id"])
        return reply[2]

    def wait(self, tenant, job, seconds=60):
        def final():
            state = self.ask(tenant, "GET", f"/api/v1/jobs/{job}", status=200)[2]
            return state if state["status"] in ("succeeded", "partial", "failed", "canceled") else None
        return eventually(f"job {job} is final", final, seconds)

    def audit(self):
        """Every line of the audit log, as it lies there."""
        lines = []
        for path in sorted(glob.glob(os.path.join(self.state, "audit", "*.jsonl"))):
            with open(path, encoding="utf-8") as file:
                lines += [json.loads(line) for line in file]
        return lines
