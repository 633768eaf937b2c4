"""Ray itself: started on this machine, or connected to. The one place where Ray's own switches are set.

A Ray that is started here listens on this machine alone, reports to nobody, and is gone with the command.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from engine.cluster import patience
from engine.errors import UsageError

STORE_BYTES = 256 << 20
"""of the object store of a Ray that is started here; what does not fit goes to disk"""
_ADDRESS = "the address of a cluster is HOST:PORT, as `ray start --head` says"


def prepare(alone: bool) -> Any:
    """The module `ray`, told what must be said before it is imported; `alone`: on this machine's loopback only.

    Raises `UsageError` where Ray is not installed.
    """
    if importlib.util.find_spec("ray") is None:
        raise UsageError("ray is not installed: pip install 'codeit[cluster]', or leave out --cluster")
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.setdefault("RAY_py_gcs_connect_timeout_s", str(int(patience.CONNECT)))
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "1")
    # Ray's switch for systems where it is on one machine: it binds to 127.0.0.1 and stays there.
    os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = str(int(not alone))
    import ray
    from ray._private import ray_constants

    ray_constants.ENABLE_RAY_CLUSTER = not alone  # whoever imported it before has not said so
    return ray


@contextmanager
def connected(address: str) -> Iterator[str]:
    """Be connected to the cluster at `address`, or, where it is empty, to one that is started here for as long.

    Yields the address. Raises `UsageError` for an address that is none, where nothing answers, or not Ray, or one of
    another version.
    """
    if address:
        _check_answer(*_parsed(address))
        ray = prepare(alone=_parsed(address)[0] in ("localhost", "127.0.0.1"))
        _check_ray(address)
        yield from _open(ray, address)
        return
    ray = prepare(alone=True)
    folder = tempfile.mkdtemp(prefix="codeit-ray-")
    options = {"_node_ip_address": "127.0.0.1", "_temp_dir": folder, "include_dashboard": False}
    try:
        yield from _open(ray, "local", object_store_memory=STORE_BYTES, **options)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _open(ray: Any, address: str, **options: Any) -> Iterator[str]:
    before = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(address, log_to_driver=False, logging_level="ERROR", **options)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise UsageError(f"--cluster {address}: {_line(error)}") from error
    finally:  # Ray has put its own in its place, which leaves no time to close what is open
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)
    try:
        yield ray.get_runtime_context().gcs_address
    finally:
        ray.shutdown()


def _parsed(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def _check_answer(host: str, port: int) -> None:
    try:
        socket.create_connection((host, port), patience.ANSWER).close()
    except OSError as error:
        reason = error.strerror or f"waited {patience.ANSWER:.0f} s"
        raise UsageError(f"--cluster {host}:{port}: nothing answers there ({reason.lower()}); {_ADDRESS}") from None


def _check_ray(address: str) -> None:
    from ray._private.services import canonicalize_bootstrap_address
    from ray._raylet import GcsClient
    from ray.exceptions import RayError

    try:
        with _quiet():
            GcsClient(address=canonicalize_bootstrap_address(address))
    except RayError:
        raise UsageError(
            f"--cluster {address}: what answers there is not Ray (waited {patience.CONNECT:.0f} s); {_ADDRESS}"
        ) from None


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what Ray's C++ parts log off the terminal."""
    sys.stderr.flush()
    terminal = os.dup(2)
    with open(os.devnull, "wb") as nothing:
        os.dup2(nothing.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(terminal, 2)
        os.close(terminal)


def _line(error: BaseException) -> str:
    """The first line of what Ray says that says something."""
    lines = (line.strip() for line in str(error).splitlines())
    return next((line for line in lines if line), type(error).__name__)
