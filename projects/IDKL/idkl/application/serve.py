"""Serving the pages to this machine alone."""

from __future__ import annotations

import errno
import logging
import socket

from flask import Flask
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from datasets_ext.errors import UserError

HOST = "127.0.0.1"  # no other machine reaches it


class _Quiet(WSGIRequestHandler):
    """Without a line for each request."""

    def log_request(self, *_: object) -> None:
        pass


def open_port(port: int) -> socket.socket:
    """A port of this machine to serve at, 0 for any free one. Who calls before it is served waits.

    Raises:
        UserError: the port is in use or no such port.
    """
    try:
        return socket.create_server((HOST, port))
    except (OSError, OverflowError) as error:
        in_use = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
        reason = "is in use" if in_use else f"cannot be opened ({error})"
        raise UserError(f"port {port} {reason}: choose another one with --port, or 0 for any free one") from None


def make_app_server(app: Flask, listening: socket.socket) -> BaseWSGIServer:
    """A server behind an open port: ``serve_forever`` runs it, ``shutdown`` from another thread ends it."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    port = listening.getsockname()[1]
    return make_server(HOST, port, app, threaded=True, request_handler=_Quiet, fd=listening.detach())
