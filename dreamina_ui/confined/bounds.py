"""How much a function in a process of its own may take."""

import struct
from dataclasses import dataclass
from typing import IO

__all__ = ["MEMORY", "MESSAGE_MOST", "Bounds", "read_message", "write_message"]

MESSAGE_MOST = 8 * 2**20
"""Bytes of one message, to a process or from it."""
MEMORY = "it takes too much memory"
"""Why a call was stopped, in the words of its message."""
_LENGTH = struct.Struct(">I")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """`memory` are bytes of address space, `file_size` bytes of each file that is written; the others are for each call.

    Memory, processor time and file size are limits of the system's: Windows knows none of them, and macOS no limit of memory. The
    time that may pass holds everywhere. `niceness` is added to the process's own, where the system has that.
    """

    memory: int
    processor_s: int
    wall_s: float
    file_size: int
    niceness: int = 0


def write_message(pipe: IO[bytes], content: bytes) -> None:
    pipe.write(_LENGTH.pack(len(content)) + content)
    pipe.flush()


def read_message(pipe: IO[bytes]) -> bytes:
    """Raises EOFError where the other side has gone, or sends more than `MESSAGE_MOST`."""
    head = _read(pipe, _LENGTH.size)
    [length] = _LENGTH.unpack(head)
    if length > MESSAGE_MOST:
        raise EOFError
    return _read(pipe, length)


def _read(pipe: IO[bytes], count: int) -> bytes:
    content = pipe.read(count)
    if content is None or len(content) < count:
        raise EOFError
    return content
