"""From any compression and encoding to UTF-8 in a stream, and back; what is cut, damaged, mixed or a bomb."""

import gzip
import os
from collections.abc import Iterator

import pyarrow as pa
import pytest

from tidemill.data.formats import streams
from tidemill.data.formats.detect import SAMPLE, Format
from tidemill.errors import RecordNotFound, UploadRejected

TEXT = "id,name\n1,Zoë\n2,日本\n3,Łódź\n"


def zstd(body: bytes) -> bytes:
    return bytes(pa.compress(body, codec="zstd", asbytes=True))


PACKS = {"gzip": gzip.compress, "zstd": zstd}


def pieces(body: bytes, size: int = 7) -> Iterator[bytes]:
    return (body[start : start + size] for start in range(0, len(body), size))


def read(body: bytes, format: Format, *, size: int = 7, limit: int | None = None) -> bytes:
    return b"".join(streams.text_chunks(pieces(body, size), format, compressed_size=len(body), limit=limit))


def refused(body: bytes, format: Format, *, size: int = 7, limit: int | None = None) -> tuple[str, str]:
    with pytest.raises(UploadRejected) as caught:
        read(body, format, size=size, limit=limit)
    return caught.value.code, caught.value.reason


@pytest.mark.parametrize("size", [1, 2, 3, 7, 4096])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be", "gb18030"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_every_encoding_becomes_utf8_without_a_mark(encoding: str, mark: str, size: int) -> None:
    assert read((mark + TEXT).encode(encoding), Format("csv", None, encoding), size=size) == TEXT.encode()


def test_the_encodings_that_say_a_mark_lose_it() -> None:
    assert read(TEXT.encode("utf-8-sig"), Format("csv", None, "utf-8-sig")) == TEXT.encode()
    assert read(TEXT.encode("utf-16"), Format("csv", None, "utf-16")) == TEXT.encode()
    assert read(b"a\n" + "\ufeff".encode() + b"b\n", Format("csv")) == b"a\n" + "\ufeff".encode() + b"b\n"


def test_an_encoding_with_escapes_is_not_taken_for_ascii() -> None:
    text = "都市,人\n東京,1\n"
    assert read(text.encode("iso2022_jp"), Format("csv", None, "iso2022_jp")) == text.encode()


@pytest.mark.parametrize("name", ["gzip", "zstd"])
@pytest.mark.parametrize("size", [1, 100, 1 << 20])
def test_compressed_members_follow_each_other(name: str, size: int) -> None:
    pack, format = PACKS[name], Format("csv", name)  # type: ignore[arg-type]
    assert read(pack(b"a,b\n") + pack(b"") + pack(b"1,2\n"), format, size=size) == b"a,b\n1,2\n"


def test_padding_behind_gzip_is_no_fault() -> None:
    assert read(gzip.compress(b"a,b\n") + b"\0" * 20, Format("csv", "gzip")) == b"a,b\n"


@pytest.mark.parametrize("name", ["gzip", "zstd"])
def test_what_unpacks_too_far_is_a_bomb_and_unpacked_in_pieces(name: str) -> None:
    packed, format = PACKS[name](b"a" * 60_000_000), Format("csv", name)  # type: ignore[arg-type]
    largest = max(map(len, streams.decompressed(iter([packed]), format.compression)))
    assert largest <= streams.PIECE
    code, reason = refused(packed, format, size=1 << 20, limit=20_000_000)
    assert code == "decompression_bomb"
    assert reason.endswith("unpacks to more than 20,000,000 bytes; upload it in several files")
    assert len(read(packed, format, size=1 << 20, limit=60_000_000)) == 60_000_000


@pytest.mark.parametrize("name", ["gzip", "zstd"])
def test_a_cut_file_is_truncated(name: str) -> None:
    packed = PACKS[name](os.urandom(9_000).hex().encode())
    assert refused(packed[:-9], Format("csv", name)) == (  # type: ignore[arg-type]
        "truncated_file",
        "the compressed file ends too early: its upload or its making was cut off; upload it again in full",
    )


@pytest.mark.parametrize("name", ["gzip", "zstd"])
def test_a_damaged_file_is_corrupt(name: str) -> None:
    packed, format = PACKS[name](b"a,b\n" * 99), Format("csv", name)  # type: ignore[arg-type]
    code, reason = refused(packed + b"garbage, garbage, garbage", format, size=4096)
    assert code == "corrupt_file"
    assert reason.startswith("the compressed file is damaged (")
    assert reason.endswith("compress it anew and upload it again")


def test_a_wrong_checksum_is_corrupt() -> None:
    packed = bytearray(gzip.compress(b"a,b\n" * 99))
    packed[-8] ^= 1
    assert refused(bytes(packed), Format("csv", "gzip"))[0] == "corrupt_file"


@pytest.mark.parametrize("name", [None, "gzip", "zstd"])
def test_the_stores_own_errors_are_not_the_files(name: str | None) -> None:
    def broken() -> Iterator[bytes]:
        yield PACKS[name](os.urandom(5000).hex().encode())[:2000] if name else b"a,b\n"
        raise RecordNotFound("gone") if name is None else ConnectionResetError("network")

    with pytest.raises((RecordNotFound, ConnectionResetError)):
        list(streams.text_chunks(broken(), Format("csv", name), compressed_size=9))  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [1, 5, 4096])
def test_another_encoding_later_in_the_file_is_told_with_its_place(size: int) -> None:
    body = TEXT.encode() + "4,Zoë\n".encode("cp1252")
    place = len(TEXT.encode()) + 4
    assert refused(body, Format("csv"), size=size) == (
        "mixed_encodings",
        f"the file begins as UTF-8, but byte 0xeb at offset {place} (line 5) is not; "
        "save all of it in one encoding, best UTF-8",
    )
    wide = TEXT.encode("utf-16-be") + b"\xdc\x00\x00\n"
    reason = refused(wide, Format("csv", None, "utf-16-be"), size=size)[1]
    assert f"byte 0xdc at offset {len(wide) - 4} (line 5)" in reason


def test_a_character_that_is_cut_off_at_the_end() -> None:
    assert refused("a\né".encode()[:-1], Format("csv"))[1].startswith(
        "the file begins as UTF-8, but byte 0xc3 at offset 2 (line 2) is not"
    )


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "utf-16-le"])
def test_nul_in_text_is_told_with_its_line(encoding: str) -> None:
    assert refused("a,b\n1,2\n3,\0\n".encode(encoding), Format("csv", None, encoding)) == (
        "not_a_table",
        "the file is binary (line 3 holds a NUL byte); export the table as text or Parquet",
    )


@pytest.mark.parametrize("size", [1, 2, 3, 4096])
def test_lines_that_end_in_cr_alone_end_in_lf(size: int) -> None:
    assert read(b"a,b\r1,2\r3,4\r", Format("csv"), size=size) == b"a,b\n1,2\n3,4\n"
    assert read(b"a,b\r\n1,2\r\n", Format("csv"), size=size) == b"a,b\r\n1,2\r\n"
    assert read(b'a,b\n1,"x\ry"\n', Format("csv"), size=size) == b'a,b\n1,"x\ry"\n'


@pytest.mark.parametrize("size", [SAMPLE - 1, SAMPLE, SAMPLE + 1, 1 << 20])
def test_a_cr_lf_across_the_samples_end_is_one_line_end(size: int) -> None:
    body = b"x" * (SAMPLE - 1) + b"\r\n1\r\n"
    assert read(body, Format("csv"), size=size) == body
    old = b"a\r" * (SAMPLE // 2 + 5) + b"b\r\nc"
    assert read(old, Format("csv"), size=size) == b"a\n" * (SAMPLE // 2 + 5) + b"b\nc"


@pytest.mark.parametrize("name", [None, "gzip", "zstd"])
def test_what_is_written_back_is_the_same_each_time_and_reads_the_same(name: str | None) -> None:
    format = Format("csv", name)  # type: ignore[arg-type]
    body = "".join(f"{i},{i * i}\n" for i in range(200_000)).encode()
    packed = b"".join(streams.compressor(format)(pieces(body, 100_000)))
    assert packed == b"".join(streams.compressed(pieces(body, 100_000), format.compression))
    assert read(packed, format, size=4096) == body
    if name == "gzip":
        assert packed[:9] == b"\x1f\x8b\x08" + b"\0" * 6  # no flags (no name), time 0
    empty = b"".join(streams.compressed(iter([]), format.compression))
    assert b"".join(streams.decompressed(iter([empty] if empty else []), format.compression)) == b""
