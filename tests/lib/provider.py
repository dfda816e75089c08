# SPDX-License-Identifier: Apache-2.0
"""A scripted provider: a server on 127.0.0.1 that speaks one vendor's wire format, strictly, and
misbehaves on request.  Standard library only.

    with Provider("openai") as openai:
        openai.script = [faults.status(500), None]   # the next two calls; None: all is well
        openai.always = faults.rate_limited(retry_after=1)
        openai.choose = lambda request: …            # a fault or None for each call
        …
        openai.log[-1].json                          # what was asked
        openai.used["chat"].input_tokens             # what the books must say

Faults go to calls (chat, embed, rerank); `openai.probes` is the same for probes."""

import contextlib
import os
import select
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
import urllib.parse

import provider_faults as faults
from provider_vendors import VENDORS
from provider_wire import Request

KEY = "sk-test-0123456789-this-must-never-be-seen"
CALLS = ("chat", "embed", "rerank")


class Used:
    """What answered calls of one kind used, by the provider's own count."""

    def __init__(self):
        self.requests = self.answered = self.input_tokens = self.output_tokens = 0

    def __repr__(self):
        return str(vars(self))


class Exchange:
    """One request as the log keeps it."""

    def __init__(self, request, fault):
        self.request, self.fault = request, fault
        self.method, self.path, self.query = request.method, request.path, request.query
        self.headers, self.kind = request.headers, request.kind
        self.at = time.monotonic()
        self.json = request.json
        self.status = None      # what was answered; None: nothing proper
        self.finished = None    # when the last of the answer was sent
        self.used = None

    def __repr__(self):
        return f"<{self.method} {self.path} {self.kind} {self.status} {self.fault or ''}>"


class Gone(Exception):
    pass


def readable(sock, seconds):
    """Not select(): there may be thousands of connections."""
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(1000 * seconds))


class Wire:
    """One connection, as faults see it."""

    def __init__(self, provider, sock):
        self.provider, self.vendor, self.socket = provider, provider.vendor, sock
        self.held = b""
        self.reusable = True

    # -- reading

    def receive(self):
        try:
            data = self.socket.recv(1 << 16)
        except (OSError, ssl.SSLError):
            data = b""
        if not data:
            raise Gone
        return data

    def read_request(self):
        while b"\r\n\r\n" not in self.held:
            if not self.held and not self.wait():
                raise Gone
            self.held += self.receive()
        head, self.held = self.held.split(b"\r\n\r\n", 1)
        lines = head.decode("latin-1").split("\r\n")
        method, target, version = lines[0].split(" ")
        assert version == "HTTP/1.1", version
        headers = {}
        for line in lines[1:]:
            name, value = line.split(":", 1)
            assert name.lower() not in headers, f"twice: {name}"
            headers[name.lower()] = value.strip()
        if headers.get("expect") == "100-continue":
            self.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        need = int(headers.get("content-length", "0"))
        while len(self.held) < need:
            self.held += self.receive()
        body, self.held = self.held[:need], self.held[need:]
        url = urllib.parse.urlsplit(target)
        query = dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True))
        return Request(method, url.path, query, headers, body)

    def wait(self):
        """Until the next request begins; false when the server stops."""
        while not self.provider.stopping.is_set():
            if self.has_input(0.05):
                return True
        return False

    def has_input(self, seconds):
        if isinstance(self.socket, ssl.SSLSocket) and self.socket.pending():
            return True
        try:
            return readable(self.socket, seconds)
        except (OSError, ValueError):
            return True

    def gone(self, seconds):
        """Waits that long, or for ever (None); true as soon as the client has left."""
        end = None if seconds is None else time.monotonic() + seconds
        while not self.provider.stopping.is_set():
            left = 0.05 if end is None else min(0.05, end - time.monotonic())
            if self.has_input(max(0, left)):
                return True  # a client that waits for its answer says nothing
            if end is not None and time.monotonic() >= end:
                return False
        return True

    # -- writing

    def send(self, data):
        try:
            self.socket.sendall(data)
        except (OSError, ssl.SSLError):
            raise Gone from None

    def head(self, reply, chunked, length=None):
        lines = [f"HTTP/1.1 {reply.status} {REASONS.get(reply.status, 'Status')}",
                 f"content-type: {reply.content_type}"]
        lines.append("transfer-encoding: chunked" if chunked else f"content-length: {length}")
        lines += [f"{name}: {value}" for name, value in reply.headers.items()]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    def chunk(self, data):
        self.send(b"%x\r\n%s\r\n" % (len(data), data))

    def render(self, reply, chunked=True):
        """All bytes of an answer."""
        if reply.pieces is None or not chunked:
            data = reply.body if reply.pieces is None else b"".join(reply.pieces)
            return self.head(reply, False, len(data)) + data
        return self.head(reply, True) + b"".join(
            b"%x\r\n%s\r\n" % (len(piece), piece) for piece in reply.pieces) + b"0\r\n\r\n"

    def answer(self, reply, last):
        """last() is called before what tells the client that this is all."""
        if reply.pieces is None:
            last()
            self.send(self.render(reply))
            return
        self.send(self.head(reply, True))
        for number, piece in enumerate(reply.pieces, 1):
            if self.provider.piece_seconds and self.gone(self.provider.piece_seconds):
                raise Gone
            if number == len(reply.pieces):
                last()
            self.chunk(piece)
        self.send(b"0\r\n\r\n")

    def half_close(self):
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)

    def reset(self):
        with contextlib.suppress(OSError):
            raw = self.socket
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            raw.close()
        raise Gone


REASONS = {100: "Continue", 200: "OK", 302: "Found", 400: "Bad Request", 401: "Unauthorized",
           403: "Forbidden", 404: "Not Found", 413: "Content Too Large", 429: "Too Many Requests",
           500: "Internal Server Error", 503: "Service Unavailable"}


class Provider:
    """`tls`: a Certificate.  `piece_seconds`: between the pieces of a stream.  Further arguments
    are the vendor's options (provider_wire.Vendor and its kinds)."""

    def __init__(self, kind, width=64, key=KEY, tls=None, piece_seconds=0, **options):
        self.vendor = VENDORS[kind](key, width, **options)
        self.kind, self.key, self.tls, self.piece_seconds = kind, key, tls, piece_seconds
        self.script, self.always, self.choose, self.probes = [], None, None, None
        self.log, self.refused, self.broken = [], [], []
        self.log_limit = 100000  # the oldest go
        self.used = {name: Used() for name in (*CALLS, "probe", "other")}
        self.running = self.most_running = self.connections = 0
        self.lock = threading.Lock()
        self.stopping = threading.Event()
        self.threads, self.sockets, self.listener = [], set(), None

    # -- life

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    def start(self, port=0):
        self.stopping.clear()
        self.listener = socket.create_server(("127.0.0.1", port), backlog=512)
        self.port = self.listener.getsockname()[1]
        self.spawn(self.accept)
        return self

    def stop(self):
        """As if the machine were gone; start(port) brings it back."""
        self.stopping.set()
        with self.lock:
            sockets = list(self.sockets)
        for sock in sockets:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self.threads:
            thread.join()
        self.threads = []

    @property
    def origin(self):
        return f"http{'s' if self.tls else ''}://127.0.0.1:{self.port}"

    @property
    def endpoint(self):
        """What a profile says."""
        return self.origin + self.vendor.path

    def spawn(self, function, *words):
        thread = threading.Thread(target=function, args=words, daemon=True)
        with self.lock:
            self.threads = [other for other in self.threads if other.is_alive()] + [thread]
            thread.start()

    def accept(self):
        with self.listener:
            while not self.stopping.is_set():
                if not readable(self.listener, 0.05):
                    continue
                sock, _ = self.listener.accept()
                self.connections += 1
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self.spawn(self.converse, sock)

    def converse(self, sock):
        try:
            if self.tls:
                sock.settimeout(10)
                sock = self.tls.context().wrap_socket(sock, server_side=True)
                sock.settimeout(None)
            self.sockets.add(sock)
            wire = Wire(self, sock)
            while wire.reusable and not self.stopping.is_set():
                self.exchange(wire)
        except (Gone, OSError, ssl.SSLError):
            pass
        except Exception as why:  # pylint: disable=broad-except
            self.broken.append(why)  # a fault of the test itself, or of the client's HTTP
        finally:
            self.sockets.discard(sock)
            with contextlib.suppress(OSError):
                sock.close()

    # -- one request

    def pick(self, request):
        with self.lock:
            if request.kind not in CALLS:
                return self.probes
            if self.script:
                return self.script.pop(0)
            return (self.choose(request) if self.choose else None) or self.always

    def exchange(self, wire):
        request = wire.read_request()
        self.vendor.classify(request)
        fault = self.pick(request)
        entry = Exchange(request, getattr(fault, "label", None))
        with self.lock:
            self.log.append(entry)
            if len(self.log) > self.log_limit:
                del self.log[:self.log_limit // 2]
            self.used[request.kind].requests += 1
            self.running += request.kind in CALLS
            self.most_running = max(self.most_running, self.running)
        try:
            self.reply(wire, request, entry, fault)
        finally:
            with self.lock:
                self.running -= request.kind in CALLS

    def reply(self, wire, request, entry, fault):
        def make():
            reply = self.vendor.serve(request)
            entry.json = request.json
            if hasattr(request, "refusal"):
                self.refused.append((request.method, request.path, str(request.refusal)))
            return reply
        if fault:
            with contextlib.suppress(ValueError):  # faults that answer without a look at it
                request.parse_quietly()
                entry.json = request.json
        reply = fault(wire, request, make) if fault else make()
        if reply is None:
            wire.reusable = False
            return
        if wire.gone(0):
            raise Gone
        wire.answer(reply, lambda: self.book(entry, reply))

    def book(self, entry, reply):
        with self.lock:
            entry.status, entry.finished = reply.status, time.monotonic()
            if reply.used and reply.status == 200:
                entry.used = reply.used
                used = self.used[reply.used[0]]
                used.answered += 1
                used.input_tokens += reply.used[1]
                used.output_tokens += reply.used[2]

    # -- what tests ask

    def calls(self, kind=None):
        return [entry for entry in self.log if entry.kind in ((kind,) if kind else CALLS)]

    def forget(self):
        with self.lock:
            self.log.clear()

    def check(self):
        """What no client of ours may ever do."""
        assert not self.broken, self.broken
        assert not self.refused, self.refused


# ---- Certificates ----------------------------------------------------------------------------


class NoCertificates(Exception):
    pass


class Certificate:
    """An authority and a certificate of it, made in `folder`.  `name`: what it vouches for;
    `expired`: it was good once."""

    def __init__(self, folder, name="IP:127.0.0.1", expired=False):
        self.folder = folder
        os.makedirs(folder, exist_ok=True)
        self.ca_file = os.path.join(folder, "ca.pem")
        self.file, self.key_file = os.path.join(folder, "leaf.pem"), os.path.join(folder, "leaf.key")
        curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        self.openssl("req", "-x509", *curve, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2",
                     "-subj", "/CN=test authority", "-addext", "keyUsage=critical,keyCertSign,cRLSign")
        self.openssl("req", "-new", *curve, "-keyout", "leaf.key", "-out", "leaf.csr",
                     "-subj", "/CN=test provider")
        with open(os.path.join(folder, "ca.conf"), "w", encoding="ascii") as file:
            file.write(f"[ca]\ndefault_ca=x\n[x]\ndatabase={folder}/index.txt\nserial={folder}/serial\n"
                       f"new_certs_dir={folder}\ncertificate={folder}/ca.pem\nprivate_key={folder}/ca.key\n"
                       f"default_md=sha256\npolicy=p\nx509_extensions=e\n[p]\ncommonName=supplied\n"
                       f"[e]\nsubjectAltName={name}\nbasicConstraints=CA:FALSE\nkeyUsage=digitalSignature\n"
                       "extendedKeyUsage=serverAuth\n")
        for path, content in (("index.txt", ""), ("serial", "01\n")):
            with open(os.path.join(folder, path), "w", encoding="ascii") as file:
                file.write(content)
        ends = ["-startdate", "20200101000000Z", "-enddate", "20200201000000Z"] if expired else ["-days", "2"]
        self.openssl("ca", "-batch", "-notext", "-config", "ca.conf", "-in", "leaf.csr", "-out", "leaf.pem", *ends)

    def openssl(self, *words):
        try:
            done = subprocess.run(["openssl", *words], cwd=self.folder, capture_output=True, text=True, check=False)
        except FileNotFoundError:
            raise NoCertificates("the openssl command is not installed: TLS is not tested") from None
        assert done.returncode == 0, done.stderr

    def context(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.file, self.key_file)
        return context


def main():
    """provider.py KIND: one to talk to by hand."""
    with Provider(sys.argv[1]) as provider:
        print(provider.endpoint, flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            provider.stopping.wait()


if __name__ == "__main__":
    main()
