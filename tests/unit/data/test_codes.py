"""Every code that can refuse a file, a row or a batch is in docs/data.md, and nothing else is."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
LIBRARY = ROOT / "layers" / "core" / "python" / "tidemill" / "data"
# Refusals of a folder on a laptop, which no upload meets.
LOCAL = {"no_files", "unreadable", "unsettled", "changing", "path"}
MADE = re.compile(r"""(?:UploadRejected|Fault|RowFault|Offence|_found)\(\s*(?:[\w.]+,\s*)?["']([a-z_]+)["']""")
NAMED = re.compile(r"""(?:CODE|code)\s*=\s*["']([a-z_]+)["']""")


def made() -> set[str]:
    text = "\n".join(path.read_text() for path in LIBRARY.rglob("*.py"))
    return {code for pattern in (MADE, NAMED) for code in pattern.findall(text)} - LOCAL


def told() -> set[str]:
    table = (ROOT / "docs" / "data.md").read_text().split("| code | of |")[1].split("\n\n")[0]
    return set(re.findall(r"^\| `([a-z_]+)` \|", table, re.MULTILINE))


def test_the_table_of_codes_is_complete() -> None:
    assert made() - told() == set()


def test_every_code_of_the_table_is_made_somewhere() -> None:
    text = "\n".join(path.read_text() for path in LIBRARY.rglob("*.py"))
    assert {code for code in told() if f'"{code}"' not in text} == set()
    assert len(told()) > 30


def test_every_code_has_a_test() -> None:
    tests = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("*.py"))
    assert {code for code in told() if not re.search(rf"\b{code}\b", tests)} == set()
