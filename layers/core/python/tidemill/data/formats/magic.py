"""Files that are no tables, known by their first bytes, and what to do with each."""

from tidemill.errors import UploadRejected

GZIP, ZSTD, PARQUET, PARQUET_ENCRYPTED = b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd", b"PAR1", b"PARE"

_EXPORT = "export the table as CSV, JSON Lines or Parquet"
_UNPACK = "unpack it and upload the files in it, compressed by gzip or zstd if you like"
_KNOWN: tuple[tuple[bytes, str, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", "a PNG image", _EXPORT),
    (b"\xff\xd8\xff", "a JPEG image", _EXPORT),
    (b"GIF87a", "a GIF image", _EXPORT),
    (b"GIF89a", "a GIF image", _EXPORT),
    (b"%PDF-", "a PDF document", _EXPORT),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office document (.xls or .doc)", _EXPORT),
    (b"SQLite format 3\0", "an SQLite database", _EXPORT),
    (b"ARROW1\0\0", "an Arrow (Feather) file", "write it as Parquet"),
    (b"Obj\x01", "an Avro file", "write it as Parquet"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file", _EXPORT),
    (b"\x93NUMPY", "a NumPy array", _EXPORT),
    (b"\x7fELF", "a program", _EXPORT),
    (b"<?xml", "an XML document", _EXPORT),
    (b"<!DOCTYPE", "a web page", "look whether it is an error page that was saved as data; " + _EXPORT),
    (b"<html", "a web page", "look whether it is an error page that was saved as data; " + _EXPORT),
    (b"BZh", "compressed by bzip2", "compress it by gzip or zstd instead, or not at all"),
    (b"\xfd7zXZ\0", "compressed by xz", "compress it by gzip or zstd instead, or not at all"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", _UNPACK),
    (b"Rar!\x1a\x07", "a RAR archive", _UNPACK),
    (b"PK\x05\x06", "an empty zip archive", _UNPACK),
)
_SHEET = (b"xl/", b"[Content_Types].xml")


def refuse_other_files(head: bytes) -> None:
    """Raises UploadRejected `not_a_table` if `head` begins a file of a kind that is known to be no table."""
    if head.startswith(b"PK\x03\x04"):
        sheet = any(name in head for name in _SHEET)
        raise refusal("an Excel workbook (.xlsx)" if sheet else "a zip archive", _EXPORT if sheet else _UNPACK)
    for magic, what, remedy in _KNOWN:
        if head.startswith(magic):
            raise refusal(what, remedy)
    if head[257:262] == b"ustar":
        raise refusal("a tar archive", _UNPACK)


def refusal(what: str, remedy: str = _EXPORT) -> UploadRejected:
    """The error that says what the file is instead of a table."""
    return UploadRejected("not_a_table", f"the file is {what}, not a table; {remedy}")


def is_parquet(head: bytes) -> bool:
    """Whether a Parquet file begins so, encrypted or not: its magic, then binary (a thrift header), not text."""
    return head[:4] in (PARQUET, PARQUET_ENCRYPTED) and head[4:5] not in (b",", b";", b"\t", b"|", b"\r", b"\n")
