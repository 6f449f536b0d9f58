"""Files: one that takes the place of another whole or not at all, and what a file is that is no model."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import signal
import stat
import threading
from typing import Optional

from ._library import shown


def open_file(path: str) -> int:
    """A descriptor to read a regular file by. A pipe is refused, not waited for."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ValueError(f"{shown(path)}: is no regular file")
    return descriptor


def replace_file(path: str, content: bytes) -> None:
    """Writes a file that has its name once it is whole. A link stays one; a file that is replaced leaves its permissions and,
    where the process may, its owner. Refuses what is no regular file, and a file that is write-protected or is neither empty
    nor of learned classes."""
    path = os.path.realpath(path)
    before = os.stat(path) if os.path.exists(path) else None
    if before and not stat.S_ISREG(before.st_mode):
        raise ValueError(f"{shown(path)}: is no regular file")
    # A file that nobody may write to is kept from root as well, who may all the same.
    if before and not (before.st_mode & 0o222 and os.access(path, os.W_OK)):
        raise PermissionError(errno.EACCES, "is write-protected: make it writable, or give another file", path)
    if before and before.st_size:
        with open(path, "rb") as file:
            if file.read(6) != b"\x89E3C\r\n":
                raise ValueError(f"{shown(path)}: holds no learned classes (.e3c), and is not replaced")
    temporary = f"{path}.{secrets.token_hex(4)}.tmp"
    with _held_signals():
        _write(path, before, temporary, content)


def _write(path: str, before: Optional[os.stat_result], temporary: str, content: bytes) -> None:
    try:
        with os.fdopen(_create(os.path.dirname(path), temporary, path), "wb") as file:
            file.write(content)
            file.flush()
            if before:
                with contextlib.suppress(PermissionError):
                    os.fchown(file.fileno(), before.st_uid, before.st_gid)
            os.fchmod(file.fileno(), stat.S_IMODE(before.st_mode) if before else 0o644)
            os.fsync(file.fileno())
            if not os.path.lexists(temporary):
                # With the descriptor of a folder, which the path does not need, link follows it to the file.
                os.link(f"/proc/self/fd/{file.fileno()}", temporary, src_dir_fd=file.fileno())
        os.replace(temporary, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)


@contextlib.contextmanager
def _held_signals():
    """Signals that would end the process wait. In the main thread they do even where the process has others, which a signal
    may be given to; elsewhere a signal between the two names of a file may leave the temporary one."""
    ends = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)
    if threading.current_thread() is not threading.main_thread():
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ends)
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        return
    came = []
    # What ignores a signal, or is not Python's (None), stays as it is.
    held = {number: handler for number in ends if (handler := signal.getsignal(number)) not in (None, signal.SIG_IGN)}
    for number in held:
        signal.signal(number, lambda number, _: came.append(number))
    try:
        yield
    finally:
        for number, handler in held.items():
            signal.signal(number, handler)
        for number in came:
            signal.raise_signal(number)


def _create(folder: str, temporary: str, path: str) -> int:
    """A file without a name, which the system removes however the process ends; elsewhere one of the name `temporary`."""
    try:
        descriptor = os.open(folder, os.O_WRONLY | os.O_TMPFILE | os.O_CLOEXEC, 0o600)
        if os.path.exists(f"/proc/self/fd/{descriptor}"):
            return descriptor
        os.close(descriptor)
    except OSError:
        pass
    try:
        return os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise type(error)(error.errno, error.strerror, path) from None


def other_file(start: bytes) -> Optional[str]:
    """What a file is that begins so and is no model, and what makes a model of it; None where nothing tells. In the words of
    Sources/E3Format/OtherFile.swift, which the tests compare."""
    long = len(start) > 4  # one byte or two tell little of less
    if start[:4] == b"PK\3\4":
        kind, step = "a zip file, as PyTorch and NumPy write", "e3-convert pack makes one of a checkpoint"
    elif start[5:9] == b"\0\0\0{":
        kind, step = "safetensors", "e3-convert pack makes one of it"
    elif long and start[:1] == b"\x08" and start[1:2] < b"\x20" and start[2:3] in (b"\x12", b"\x3a", b"\x42"):
        kind, step = "an ONNX model", "tools/checkpoints/onnx_to_safetensors and e3-convert pack make one of a ViT"
    elif start[4:8] == b"TFL3":
        kind, step = "a TFLite model", "e3-convert pack makes one of the checkpoint that it came from"
    elif start[:4] == b"GGUF":
        kind, step = "a GGUF file", "e3-convert pack makes one of the checkpoint that it came from"
    elif start[:8] == b"\x89HDF\r\n\x1a\n":
        kind, step = "an HDF5 file, as Keras writes", "e3-convert pack makes one of its weights as safetensors"
    elif long and start[:1] == b"\x80" and start[1:2] in (b"\2", b"\3", b"\4", b"\5"):
        kind, step = "a pickle, as PyTorch wrote before 1.6", "e3-convert pack says how to save it anew"
    elif start[:8] == b"\x89E3C\r\n\x1a\n":
        kind, step = "learned classes (.e3c)", "give them beside the model that learned them"
    elif start[:23] == b"version https://git-lfs":
        kind, step = "a git-lfs pointer", "run `git lfs pull` in its folder"
    elif long and start[:1] == b"<":
        kind, step = "a web page or XML", "download the file itself"
    else:
        return None
    return f"{kind}, not an E3 model file: {step}"
