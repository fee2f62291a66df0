"""Serves the files of the explorer on the loopback address, and nothing else."""

import hashlib
import os
import shutil
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

HOST = "127.0.0.1"
NAMES = (HOST, "localhost")
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".wasm": "application/wasm",
}
HEADERS = {
    # By these two the page is isolated from others, so that WebAssembly may take threads.
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cache-Control": "no-cache",  # kept, but asked for: 304 where nothing changed
    "X-Content-Type-Options": "nosniff",
}


def server(files, port):
    """Returns a server of the files; `serve_forever` answers.

    Args:
        files: what `site.files` returns.
        port: of the loopback address; 0 takes one that is free.

    Raises:
        ValueError: the port is taken, or may not be used.
    """
    handler = type("Handler", (_Handler,), {"files": files})
    try:
        return ThreadingHTTPServer((HOST, port), handler)
    except OSError as error:
        raise ValueError(
            f"cannot serve on port {port}: {error.strerror}; give another --port"
        ) from (error)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    files = {}  # noqa: RUF012

    def handle(self):
        with suppress(ConnectionError):  # the page was closed
            super().handle()

    def do_GET(self):
        self._answer(body=True)

    def do_HEAD(self):
        self._answer(body=False)

    def _answer(self, body):
        # Any other name may be that of a web page, whose owner had it resolve to this address.
        if (self.headers["Host"] or "").partition(":")[0].lower() not in NAMES:
            self._head(HTTPStatus.FORBIDDEN, {"Content-Length": 0})
            return
        place = unquote(urlsplit(self.path).path).removeprefix("/") or "index.html"
        try:
            file = self.files[place].open("rb")
        except (KeyError, OSError):
            self._head(HTTPStatus.NOT_FOUND, {"Content-Length": 0})
            return
        with file:
            self._send(self.files[place], file, body)

    def _send(self, path, file, body):
        about = os.fstat(file.fileno())
        tag = _tag(path, about)
        if self.headers["If-None-Match"] == tag:
            self._head(HTTPStatus.NOT_MODIFIED, {"ETag": tag})
            return
        kind = TYPES.get(path.suffix, "application/octet-stream")
        size = {"Content-Type": kind, "Content-Length": about.st_size}
        self._head(HTTPStatus.OK, {**size, "ETag": tag})
        if body:
            shutil.copyfileobj(file, self.wfile)

    def _head(self, status, headers):
        self.send_response(status)
        for name, value in {**HEADERS, **headers}.items():
            self.send_header(name, str(value))
        self.end_headers()

    def log_message(self, *_):
        """Says nothing of each request."""


def _tag(path, about):
    """An ETag. The address of another bundle's file is the same, its path is not."""
    known = f"{path.resolve()} {about.st_mtime_ns} {about.st_size}"
    return f'"{hashlib.sha256(os.fsencode(known)).hexdigest()[:32]}"'
