"""The page on loopback while a run goes on: made again when the folder's files change, reloaded by whoever looks at it.

Nothing but this machine is served, nothing is written, and nothing is read from disk on a request.
"""

from __future__ import annotations

import hashlib
import logging
import re
import time
from collections.abc import Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from engine.errors import UsageError
from engine.progress import console
from report.page import render
from report.sources.reading import read_sources

HOST = "127.0.0.1"
SECONDS = 2.0  # between two looks at the files
_PORT = re.compile(r":\d+$")  # which is left out where it is 80
_HOSTS = ("127.0.0.1", "localhost", "[::1]")  # what a browser may call us: no name that leads elsewhere
# What changes when there is something new to show.
_WATCHED = ("metrics.jsonl", "summary.json", "progress.json", "curve.jsonl", "solutions.jsonl")

log = logging.getLogger(__name__)


class Page:
    """The latest page and its version."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = folders
        self._stamp: tuple[object, ...] = ()
        self.version = ""
        self.content = b""

    def refresh(self) -> bool:
        """Make the page anew if a file has changed; whether it was. Raises `UsageError`."""
        stamp = tuple(_stamp(folder / name) for folder in self._folders for name in _WATCHED)
        if self.content and stamp == self._stamp:
            return False
        sources = read_sources(self._folders)
        self.version = hashlib.sha256(repr(stamp).encode()).hexdigest()[:16]
        self.content = render(sources, self.version).encode()
        self._stamp = stamp
        return True


def _stamp(file: Path) -> tuple[int, int] | None:
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size


def serve(page: Page, port: int) -> ThreadingHTTPServer:
    """A server of a page on loopback, not started yet. Raises `UsageError` for a port that is taken."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            host = _PORT.sub("", self.headers.get("Host", ""))
            if host not in _HOSTS:
                self._answer(HTTPStatus.FORBIDDEN, b"this page is for this machine alone\n", "text/plain")
            elif self.path in ("/", "/index.html"):
                self._answer(HTTPStatus.OK, page.content, "text/html")
            elif self.path == "/version":
                self._answer(HTTPStatus.OK, page.version.encode(), "text/plain")
            else:
                self._answer(HTTPStatus.NOT_FOUND, b"there is / and /version\n", "text/plain")

        def _answer(self, status: HTTPStatus, content: bytes, kind: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Cache-Control", "no-store")
            self.send_header("X-Content-Type-Options", "nosniff")
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *arguments: object) -> None:
            log.debug(format, *arguments)

    try:
        return ThreadingHTTPServer((HOST, port), Handler)
    except OSError as error:
        raise UsageError(
            f"port {port} cannot be had ({error.strerror}): choose another --port, or 0 for a free one"
        ) from None


def watch(folders: Sequence[Path], port: int, seconds: float = SECONDS) -> None:
    """Serve the page until Ctrl-C. Raises `UsageError` for what cannot be shown in the first place."""
    page = Page(folders)
    page.refresh()
    server = serve(page, port)
    Thread(target=server.serve_forever, daemon=True).start()
    console.print(f"http://{HOST}:{server.server_port}/ (Ctrl-C ends it)", highlight=False, soft_wrap=True)
    try:
        while True:
            time.sleep(seconds)
            try:
                page.refresh()
            except UsageError as error:  # a file in the middle of being written, or a folder that went away
                log.warning("%s: the page stays as it was", error)
    except KeyboardInterrupt:  # how it is meant to end
        return
    finally:
        server.shutdown()
        server.server_close()
