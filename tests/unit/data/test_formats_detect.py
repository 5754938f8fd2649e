"""What a file is, by its first bytes: format, compression, encoding, delimiter; and what is refused, in words."""

import gzip
import io
import json
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tidemill.data.formats import detect
from tidemill.data.formats.detect import SAMPLE, Format
from tidemill.errors import UploadRejected

TABLE = "id;name;price\n1;Zoë;1,5\n2;Jürgen;2,5\n3;Łódź;3,5\n"


def found(body: bytes) -> Format:
    return detect.detect(body[:SAMPLE], len(body))


def refused(body: bytes) -> tuple[str, str]:
    with pytest.raises(UploadRejected) as caught:
        found(body)
    return caught.value.code, caught.value.reason


def zstd(body: bytes) -> bytes:
    return bytes(pa.compress(body, codec="zstd", asbytes=True))


def parquet() -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table({"a": [1, 2]}), sink)
    return sink.getvalue()


def test_a_format_survives_json() -> None:
    format = Format("csv", "gzip", "cp1252", "\t")
    assert Format.from_json(json.loads(json.dumps(format.as_json()))) == format
    assert Format("parquet").as_json() == {
        "kind": "parquet",
        "compression": None,
        "encoding": "utf-8",
        "delimiter": ",",
    }


@pytest.mark.parametrize(
    ("encoding", "mark", "name"),
    [
        ("utf-8", "", "utf-8"),
        ("utf-8", "\ufeff", "utf-8-sig"),
        ("utf-16-le", "\ufeff", "utf-16-le"),
        ("utf-16-be", "\ufeff", "utf-16-be"),
        ("utf-32-le", "\ufeff", "utf-32-le"),
        ("utf-32-be", "\ufeff", "utf-32-be"),
        ("utf-16-le", "", "utf-16-le"),
        ("utf-16-be", "", "utf-16-be"),
    ],
)
def test_the_unicode_encodings(encoding: str, mark: str, name: str) -> None:
    assert found((mark + TABLE).encode(encoding)) == Format("csv", None, name, ";")


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("utf-16-le", "номер,город\n1,Москва\n2,Санкт-Петербург\n"),
        ("cp1252", "id,name\n1,Zoë\n"),
        ("cp1252", "Straße,Größe,Köln\nMüller,süß,Jürgen Weiß\nÄrger,Übung,Öl\n"),
        ("cp1250", "id,miasto\n1,Łódź\n2,Kraków\n3,Gdańsk\n4,Wrocław\n5,Świętochłowice\n6,Żółkiewka\n"),
        ("cp1251", "номер,город\n1,Москва\n2,Санкт-Петербург\n3,Новосибирск\n"),
        ("cp932", "番号,都市\n1,東京\n2,大阪\n3,名古屋の人口はとても多いです\n"),
        ("gb18030", "编号,城市\n1,北京\n2,上海\n3,这是一个很长的句子用来检测\n"),
    ],
)
def test_other_encodings_are_guessed_so_that_the_text_is_right(encoding: str, text: str) -> None:
    assert text.encode(encoding).decode(found(text.encode(encoding)).encoding) == text


def test_single_wrong_bytes_in_utf8_do_not_make_it_another_encoding() -> None:
    assert found(TABLE.encode() + "4;Zoë;1\n".encode("cp1252")).encoding == "utf-8"


def test_a_sample_may_end_within_a_character() -> None:
    body = b"a,b\n" + "é".encode() * SAMPLE
    assert body[SAMPLE - 2] == "é".encode()[0]
    assert detect.detect(body[: SAMPLE - 1], len(body)).encoding == "utf-8"
    assert (
        detect.detect("a,b\n1,é".encode()[:-1], 7).encoding == "cp1252"
    )  # all there is, and its last byte is none


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
def test_the_delimiter_is_what_divides_the_records_alike(mark: str) -> None:
    rows = [["id", "note", "price"], ["1", '"a, b; c | d\te"', "1.5"], ["2", '"two\nlines"', "2.5"]]
    assert found("\n".join(mark.join(row) for row in rows).encode()).delimiter == mark


@pytest.mark.parametrize(
    ("text", "mark"),
    [
        ("text\nhello, world\nand; more\n", ","),
        ("a;b\n1,5;2,5\n1,5;3,5\n", ";"),
        ("a,b,c\n1,2\n1,2,3\n1,2,3,4\n1,2,3\n", ","),
        ('a;b\n1;"never closed\n' + "x,y\n" * 9, ";"),
        ("one\n", ","),
        ("a;b\r1;2\r3;4\r", ";"),
    ],
)
def test_odd_texts_have_a_delimiter_too(text: str, mark: str) -> None:
    assert found(text.encode()).delimiter == mark


def test_json_lines_begin_with_a_brace() -> None:
    assert found(b'\n  {"a": 1}\n') == Format("jsonl")
    assert found('\ufeff{"a": "é"}\n'.encode("utf-16-le")) == Format("jsonl", None, "utf-16-le")


def test_parquet_by_its_magic_and_not_a_header_that_reads_like_it() -> None:
    assert found(parquet()) == Format("parquet")
    assert found(b"PAR1,b\n1,2\n") == Format("csv")


@pytest.mark.parametrize(("name", "pack"), [("gzip", gzip.compress), ("zstd", zstd)])
def test_what_is_compressed_is_looked_into(name: str, pack: object) -> None:
    assert callable(pack)
    assert found(pack(TABLE.encode())) == Format("csv", name, "utf-8", ";")  # type: ignore[arg-type]
    long = "".join(f"{i}|{i * i % 977}|é\n" for i in range(100_000)).encode()
    assert found(pack(long)) == Format("csv", name, "utf-8", "|")  # type: ignore[arg-type]
    assert refused(pack(gzip.compress(b"a,b\n"))) == (
        "not_a_table",
        "the file is compressed twice, not a table; compress it once, by gzip or zstd, or not at all",
    )
    assert refused(pack(parquet()))[1].startswith("the file is a compressed Parquet file")
    assert refused(pack(b""))[0] == "empty_file"


@pytest.mark.parametrize("body", [b"\x1f\x8b\x08" + b"\xff" * 90, b"\x28\xb5\x2f\xfd" + b"\xff" * 90])
def test_a_broken_beginning_of_a_compressed_file(body: bytes) -> None:
    code, reason = refused(body)
    assert code == "corrupt_file"
    assert "is damaged" in reason and reason.endswith("compress and upload it again")


@pytest.mark.parametrize("body", [b"", b" \r\n\t\n", "\ufeff".encode(), "\ufeff\n".encode("utf-16-le")])
def test_nothing_is_an_empty_file(body: bytes) -> None:
    assert refused(body) == ("empty_file", "the file is empty; upload a file with a header and rows")


def archive(name: str) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as file:
        file.writestr(name, "x" * 100)
    return sink.getvalue()


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "a PNG image"),
        (b"%PDF-1.7\n%\xe2\xe3", "a PDF document"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", "a JPEG image"),
        (archive("xl/workbook.xml"), "an Excel workbook (.xlsx)"),
        (archive("data.csv"), "a zip archive"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 99, "an old Office document (.xls or .doc)"),
        (b"SQLite format 3\0" + b"\x01" * 9, "an SQLite database"),
        (b"BZh91AY&SY", "compressed by bzip2"),
        (b"<!DOCTYPE html><title>403</title>", "a web page"),
        (b"x" * 257 + b"ustar\x0000", "a tar archive"),
        (b'[{"a": 1}, {"a": 2}]', "one JSON array"),
        (b"a,b\n1,\0\n2,3\n", "binary (it holds NUL bytes)"),
        (b"\0\x01\x02" * 99, "binary (it holds NUL bytes)"),
        (b"\x02\x03ab\x07cd\x05", "binary (it holds control characters)"),
    ],
)
def test_what_is_no_table_is_named(body: bytes, what: str) -> None:
    code, reason = refused(body)
    assert code == "not_a_table"
    assert reason.startswith(f"the file is {what}, not a table; ")


def test_a_stray_control_character_is_forgiven() -> None:
    assert found(b"a,b\n" + b"1,text\n" * 99 + b"2,\x07bell\n").kind == "csv"
