"""Serves the files of the explorer on the loopback address, and nothing else."""

import os
import shutil
from email.utils import formatdate, parsedate_to_datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

HOST = "127.0.0.1"
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

    def do_GET(self):
        self._answer(body=True)

    def do_HEAD(self):
        self._answer(body=False)

    def _answer(self, body):
        place = unquote(urlsplit(self.path).path).removeprefix("/") or "index.html"
        try:
            file = self.files[place].open("rb")
        except (KeyError, OSError):
            self._head(HTTPStatus.NOT_FOUND, {"Content-Length": 0})
            return
        with file:
            about = os.fstat(file.fileno())
            changed = formatdate(about.st_mtime, usegmt=True)
            if self._is_kept(changed):
                self._head(HTTPStatus.NOT_MODIFIED, {"Last-Modified": changed})
                return
            kind = TYPES.get(self.files[place].suffix, "application/octet-stream")
            size = {"Content-Type": kind, "Content-Length": about.st_size}
            self._head(HTTPStatus.OK, {**size, "Last-Modified": changed})
            if body:
                shutil.copyfileobj(file, self.wfile)

    def _is_kept(self, changed):
        """Whether the browser holds the file as it was when it last changed."""
        try:
            kept = parsedate_to_datetime(self.headers["If-Modified-Since"])
            return kept >= parsedate_to_datetime(changed)
        except (TypeError, ValueError):
            return False

    def _head(self, status, headers):
        self.send_response(status)
        for name, value in {**HEADERS, **headers}.items():
            self.send_header(name, str(value))
        self.end_headers()

    def log_message(self, *_):
        """Says nothing of each request."""
