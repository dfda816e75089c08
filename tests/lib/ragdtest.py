# SPDX-License-Identifier: Apache-2.0
"""What system tests are written in: a real ragd on a state folder of its own, ragctl, HTTP and
the control socket as a client sees them.  Standard library only.

A test file is a script: functions named test_* are run in order, each with a fresh scratch
folder that is removed afterwards; nothing outlives the script.  Exit 77 means skipped."""

import base64
import contextlib
import glob
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback

TOP_SRC = os.environ.get("abs_top_srcdir") or os.path.abspath(
    os.path.join(os.path.dirname(__file__), "..", ".."))
TOP_BUILD = os.environ.get("abs_top_builddir") or os.path.join(TOP_SRC, "build")
RAGD = os.path.join(TOP_BUILD, "ragd")
RAGCTL = os.path.join(TOP_BUILD, "ragctl")
# Sanitizers and valgrind make everything slower: one factor for every patience below.
PATIENCE = float(os.environ.get("RAGD_TEST_PATIENCE", "1"))


class Skip(Exception):
    pass


class ProblemError(Exception):
    pass


def eventually(what, function, seconds=20.0):
    """The first true value of function(), asked again and again; fails after a while."""
    end = time.monotonic() + seconds * PATIENCE
    while True:
        value = function()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.01)


def drain(notify):
    """Reads what a service manager would: a daemon that nobody listens to waits in sd_notify()."""
    while True:
        try:
            notify.recv(4096)
        except TimeoutError:
            continue
        except OSError:  # it was closed
            return


class Ragd:
    """One daemon.  `profile` is TOML text appended to the least that a profile needs."""

    def __init__(self, scratch, profile="", server="", state=None, env=None, listen='"127.0.0.1:0"',
                 base=None, wrapper=()):
        self.scratch = scratch
        self.state = state or os.path.join(scratch, "state")
        self.profile = os.path.join(scratch, "profile.toml")
        self.wrapper = list(wrapper)
        self.env = dict(os.environ, **(env or {}))
        self.process = None
        self.address = None
        self.token = None  # of requests that bring no key of their own
        if base is None:
            base = f"""stage = "development"
[rag]
enabled = true
[rag.server]
listen = [{listen}]
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
"""
        with open(self.profile, "w", encoding="utf-8") as file:
            file.write(base + profile)

    def start(self, wait=True):
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        path = os.path.join(self.scratch, "notify")
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        self.notify.bind(path)
        self.log = open(os.path.join(self.scratch, "log"), "ab")
        self.process = subprocess.Popen(
            self.wrapper + [RAGD, "--profile", self.profile, "--state", self.state],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
            env=dict(self.env, NOTIFY_SOCKET=path))
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self):
        end = time.monotonic() + 30 * PATIENCE
        self.notify.settimeout(0.05)
        while time.monotonic() < end:
            try:
                message = self.notify.recv(4096).decode()
            except TimeoutError:
                if self.process.poll() is not None:
                    raise AssertionError("ragd ended at start: " + self.log_text())
                continue
            if "READY=1" in message.split("\n"):
                threading.Thread(target=drain, args=(self.notify,), daemon=True).start()
                self.address = self.find_address()
                return
        raise AssertionError("ragd did not become ready: " + self.log_text())

    def find_address(self):
        status = json.loads(self.ragctl("status", "--json").stdout)
        for address in status["listen"]:
            if not address.startswith("unix:"):
                return address
        return None

    def log_text(self):
        with open(os.path.join(self.scratch, "log"), "rb") as file:
            return file.read().decode(errors="replace")[-4000:]

    def close(self):
        self.log.close()
        self.notify.close()

    def kill(self):
        """As a crash of the machine would.  A daemon that had ended by itself is a failure."""
        self.process.kill()
        code = self.process.wait()
        self.close()
        assert code == -signal.SIGKILL, f"ragd had ended with {code}: {self.log_text()}"

    def stop(self, expect=0):
        """SIGTERM, where it has not ended already; the exit code must be right in either case."""
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(30 * PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGABRT)
            self.process.wait()
            raise AssertionError("ragd did not stop on SIGTERM: " + self.log_text()) from None
        self.close()
        assert code == expect, f"ragd ended with {code}: {self.log_text()}"

    def __enter__(self):
        running = self.process and self.process.poll() is None
        return self if running else self.start()

    def __exit__(self, kind, value, trace):
        if not self.process or self.log.closed:
            return
        if kind is None:
            self.stop()
        else:
            sys.stderr.write(self.log_text())
            self.process.kill()
            self.process.wait()
            self.close()

    # -- ragctl -----------------------------------------------------------------------------

    def ragctl(self, *words, stdin=None, code=0, socket_name=None):
        where = ["--socket", os.path.join(self.state, socket_name)] if socket_name else [
            "--state", self.state]
        done = subprocess.run([RAGCTL, *where, *words], input=stdin, text=True,
                              capture_output=True, timeout=300 * PATIENCE, check=False)
        assert done.returncode == code if code is not None else done.returncode >= 0, (
            f"ragctl {' '.join(words)}: exit {done.returncode}, wanted {code}\n"
            f"{done.stdout}\n{done.stderr}\n{self.log_text()}")
        return done

    def ragctl_json(self, *words, **more):
        return json.loads(self.ragctl(*words, "--json", **more).stdout)

    # -- HTTP -------------------------------------------------------------------------------

    def connect(self, timeout=60):
        host, port = self.address.rsplit(":", 1)
        return http.client.HTTPConnection(host.strip("[]"), int(port), timeout=timeout * PATIENCE)

    def http(self, method, path, body=None, headers=None, status=None, connection=None):
        """(status, headers, parsed or raw body)."""
        headers = dict(headers or {})
        if self.token:
            headers.setdefault("Authorization", f"Bearer {self.token}")
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
            headers.setdefault("Content-Type", "application/json")
        if isinstance(body, str):
            body = body.encode()
        mine = connection or self.connect()
        try:
            mine.request(method, path, body, headers)
            answer = mine.getresponse()
            data = answer.read()
        finally:
            if not connection:
                mine.close()
        kind = answer.getheader("Content-Type", "")
        if "json" in kind and data:
            data = json.loads(data)
        assert status is None or answer.status == status, (
            f"{method} {path}: {answer.status}, wanted {status}: {data!r}")
        return answer.status, answer.headers, data

    def raw_http(self, data, timeout=15, shut=False):
        """Sends bytes as they are; all that came back until the server closed or fell silent."""
        host, port = self.address.rsplit(":", 1)
        with socket.create_connection((host, int(port)), timeout=timeout * PATIENCE) as sock:
            sock.sendall(data)
            if shut:
                sock.shutdown(socket.SHUT_WR)
            parts = []
            with contextlib.suppress(TimeoutError, ConnectionResetError):
                while True:
                    part = sock.recv(65536)
                    if not part:
                        break
                    parts.append(part)
            return b"".join(parts)

    # -- What most tests do -----------------------------------------------------------------

    def create(self, name="default", status=201):
        return self.http("POST", "/api/v1/collections", {"name": name}, status=status)[2]

    def put(self, external_id, text, collection="default", status=202, **more):
        return self.http("PUT", f"/api/v1/collections/{collection}/documents/{external_id}",
                         dict(text=text, **more), status=status)[2]

    def wait_job(self, job, seconds=60):
        def final():
            state = self.http("GET", f"/api/v1/jobs/{job}", status=200)[2]
            return state if state["status"] in (
                "succeeded", "partial", "failed", "canceled") else None
        return eventually(f"job {job} is final", final, seconds)

    def search(self, query, status=200, **more):
        return self.http("POST", "/api/v1/search", dict(query=query, **more), status=status)[2]

    def control(self, method, parameters=None, name="io.ragd.Control", **flags):
        """One call on a fresh connection: (error or None, parameters)."""
        with Control(self, name) as control:
            return control.call(method, parameters, **flags)

    def rss_kib(self):
        """{'RssAnon': …, 'VmRSS': …} of the daemon."""
        figures = {}
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as file:
            for line in file:
                if line.startswith(("RssAnon", "VmRSS", "Threads")):
                    figures[line.split(":")[0]] = int(line.split()[1])
        return figures


class Control:
    """A varlink client on one connection."""

    def __init__(self, ragd, name="io.ragd.Control"):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(60 * PATIENCE)
        self.socket.connect(os.path.join(ragd.state, name))
        self.held = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def receive(self):
        """The next message, or None where the server closed."""
        while b"\0" not in self.held:
            try:
                part = self.socket.recv(65536)
            except ConnectionResetError:
                return None
            if not part:
                return None
            self.held += part
        message, self.held = self.held.split(b"\0", 1)
        return json.loads(message)

    def call(self, method, parameters=None, **flags):
        message = dict(method=method, **flags)
        if parameters is not None:
            message["parameters"] = parameters
        self.send(json.dumps(message).encode() + b"\0")
        reply = self.receive()
        assert reply is not None, "the server closed the connection"
        return reply.get("error"), reply.get("parameters", {})


def ragctl(*words, stdin=None, code=0, env=None):
    """ragctl without a daemon."""
    done = subprocess.run([RAGCTL, *words], input=stdin, text=True, capture_output=True,
                          timeout=120 * PATIENCE, check=False, env=env)
    assert done.returncode == code if code is not None else done.returncode >= 0, (
        f"ragctl {' '.join(words)}: exit {done.returncode}, wanted {code}\n{done.stdout}\n{done.stderr}")
    return done


def vector_base64(values):
    import struct
    return base64.b64encode(struct.pack(f"<{len(values)}f", *values)).decode()


def watch_sanitizers(scratch):
    """Lets every process that is started from now on write what a sanitizer finds in it below
    `scratch`: an exit code alone could be lost, or taken for a refusal that the test expects."""
    for name in ("ASAN_OPTIONS", "TSAN_OPTIONS", "UBSAN_OPTIONS"):
        others = [option for option in os.environ.get(name, "").split(":")
                  if option and not option.startswith("log_path=")]
        os.environ[name] = ":".join([*others, f"log_path={scratch}/sanitizer-report"])


def sanitizer_reports(scratch):
    reports = []
    for path in sorted(glob.glob(f"{scratch}/sanitizer-report.*")):
        with open(path, encoding="utf-8", errors="replace") as file:
            reports.append(file.read())
    return "\n".join(reports)


def main():
    """Runs the caller's test_* functions; the names given as arguments, or all."""
    tests = {name: item for name, item in sys.modules["__main__"].__dict__.items()
             if name.startswith("test_") and callable(item)}
    chosen = sys.argv[1:] or list(tests)
    passed = failed = skipped = 0
    for name in chosen:
        scratch = tempfile.mkdtemp(prefix="ragd-test-")
        started = time.monotonic()
        watch_sanitizers(scratch)
        try:
            tests[name](scratch)
            verdict = "ok"
        except Skip as why:
            verdict = f"skipped: {why}"
        except BaseException:  # pylint: disable=broad-except
            traceback.print_exc()
            verdict = "FAILED"
        finally:
            reports = sanitizer_reports(scratch)
            shutil.rmtree(scratch, ignore_errors=True)
        if reports:
            print(reports, file=sys.stderr)
            verdict = "FAILED"
        passed += verdict == "ok"
        failed += verdict == "FAILED"
        skipped += verdict.startswith("skipped")
        print(f"{verdict:8} {name} ({time.monotonic() - started:.2f} s)", flush=True)
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    sys.exit(1 if failed else 77 if skipped and not passed else 0)
