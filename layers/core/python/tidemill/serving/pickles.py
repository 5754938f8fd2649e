"""Whether a file is a pickle, told from its name, its first bytes and its opcodes. Nothing is ever loaded.

A pickle is a program: whoever loads it runs it. No file of a model is one (docs/architecture.md), so that one that
is has been put there. Called at each cold start, where the first byte decides, and by a release.
"""

import io

SUFFIXES = (".pkl", ".pickle", ".joblib", ".dill", ".cloudpickle", ".pt", ".pth")
_PROTOCOLS = b"\x02\x03\x04\x05"
# What our files begin with: ONNX with its version (field 1, a varint), JSON with a brace. Neither is an opcode.
_OURS = (b"", b"\x08", b"{")
_ARRAY = b"\x93NUMPY"
_ARRAY_HEADER = 4096
_ARCHIVE = b"PK\x03\x04"
_NESTED = 3


def named(name: str) -> bool:
    """Whether a file's name says that it is one."""
    return name.lower().endswith(SUFFIXES)


def found(name: str, body: bytes, *, nested: int = 0) -> str | None:
    """What in the file is a pickle, in words; None if nothing is. Archives are looked into."""
    if named(name):
        return f"{name} is named as a pickle"
    if body[:1] in _OURS:
        return None
    if body[:1] == b"\x80" and body[1:2] in _PROTOCOLS and len(body) > 1:
        return f"{name} is a pickle of protocol {body[1]}"
    if body.startswith(_ARCHIVE):
        return _in_archive(name, body, nested)
    if body.startswith(_ARRAY):
        return f"{name} is an array of pickles" if b"'|O" in body[:_ARRAY_HEADER] else None
    return f"{name} is a pickle" if _is_program(body) else None


def _in_archive(name: str, body: bytes, nested: int) -> str | None:
    from tidemill.serving import archives  # no part of a cold start

    if nested >= _NESTED:
        return f"{name} has archives in archives, deeper than can be looked into"
    try:
        parts = (found(*part, nested=nested + 1) for part in archives.parts(body))
        inside = next((part for part in parts if part), None)
    except archives.UNREADABLE as error:
        return f"{name} is an archive that cannot be read ({error})"
    return f"{name}: {inside}" if inside else None


def _is_program(body: bytes) -> bool:
    """Whether the bytes are opcodes that leave a value: also of the old protocols, which have no mark."""
    import pickletools  # no part of a cold start

    try:
        pickletools.dis(body, out=_Nowhere())
    except (ValueError, IndexError, OverflowError):  # no opcode, no value, or too little of it
        return False
    return True


class _Nowhere(io.StringIO):
    """Where a disassembly goes that nobody reads."""

    def write(self, text: str) -> int:
        return len(text)
