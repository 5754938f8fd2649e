"""Whether a file is a pickle, told from its name, its first bytes and its opcodes. Nothing is ever loaded.

A pickle is a program: whoever loads it runs it. No file of a model is one (docs/architecture.md), so that one that
is has been put there. Called at each cold start, where the first byte decides, and by a release.
"""

import io
from typing import IO

SUFFIXES = (".pkl", ".pickle", ".joblib", ".dill", ".cloudpickle", ".pt", ".pth")
_PROTOCOLS = b"\x02\x03\x04\x05"
# What our files begin with: ONNX with its version (field 1, a varint), JSON with a brace. Neither is an opcode.
_OURS = (b"", b"\x08", b"{")
_ARRAY = b"\x93NUMPY"
_HEAD = 4096
"""Bytes that are looked at first: more than the header of an array has."""
_ARCHIVE = b"PK\x03\x04"
_NESTED = 3


def named(name: str) -> bool:
    """Whether a file's name says that it is one."""
    return name.lower().endswith(SUFFIXES)


def ours(body: bytes) -> bool:
    """Whether it begins as ONNX and JSON do, and so is no pickle, whatever follows."""
    return body[:1] in _OURS


def found(name: str, body: bytes, *, nested: int = 0) -> str | None:
    """What in the file is a pickle, in words; None if nothing is. Archives are looked into."""
    return found_in(name, io.BytesIO(body), nested=nested)


def found_in(name: str, file: IO[bytes], *, nested: int = 0) -> str | None:
    """As `found`, of a file that stands at its beginning and may be larger than memory."""
    if named(name):
        return f"{name} is named as a pickle"
    head = file.read(_HEAD)
    file.seek(0)
    if ours(head):
        return None
    if head[:1] == b"\x80" and head[1:2] in _PROTOCOLS and len(head) > 1:
        return f"{name} is a pickle of protocol {head[1]}"
    if head.startswith(_ARCHIVE):
        return _in_archive(name, file, nested)
    if head.startswith(_ARRAY):
        return f"{name} is an array of pickles" if b"'|O" in head else None
    return f"{name} is a pickle" if _is_program(file) else None


def _in_archive(name: str, file: IO[bytes], nested: int) -> str | None:
    from tidemill.serving import archives  # no part of a cold start

    if nested >= _NESTED:
        return f"{name} has archives in archives, deeper than can be looked into"
    try:
        parts = (found(*part, nested=nested + 1) for part in archives.parts(file))
        inside = next((part for part in parts if part), None)
    except archives.UNREADABLE as error:
        return f"{name} is an archive that cannot be read ({error})"
    return f"{name}: {inside}" if inside else None


def _is_program(file: IO[bytes]) -> bool:
    """Whether the bytes are opcodes that leave a value: also of the old protocols, which have no mark."""
    import pickletools  # no part of a cold start

    try:
        pickletools.dis(file, out=_Nowhere())
    except (ValueError, IndexError, OverflowError):  # no opcode, no value, or too little of it
        return False
    return True


class _Nowhere(io.StringIO):
    """Where a disassembly goes that nobody reads."""

    def write(self, text: str) -> int:
        return len(text)
