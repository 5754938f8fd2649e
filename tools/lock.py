"""Compile every lock anew: the checkout's, uv's own, and one per third-party layer and container (`make lock`).

The layers' and containers' locks are constrained by the checkout's, so that the laptop and the functions run the
same versions. Locks hold hashes and no addresses. With `--keep`, what is locked stays as it is, and only what was
added to a `requirements.in` is new.
"""

import argparse
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COMMON = ("--universal", "--generate-hashes", "--no-header", "--quiet")


def compile_lock(source: Path, target: Path, *options: str, keep: bool) -> None:
    """`uv pip compile` of one file; paths in the lock's comments are relative to the checkout."""
    uv = str(Path(sys.executable).with_name("uv"))
    places = [str(path.relative_to(ROOT)) for path in (source, target)]
    newest = () if keep else ("--upgrade",)
    subprocess.run(
        [uv, "pip", "compile", *COMMON, *newest, *options, places[0], "-o", places[1]], cwd=ROOT, check=True
    )
    print(f"{places[1]}: {target.read_text().count('==')} packages")


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--keep", action="store_true", help="leave what is locked as it is, and lock what is new")
    keep: bool = options.parse_args().keep
    checkout = ROOT / "requirements.txt"
    compile_lock(ROOT / "requirements.in", checkout, "--python-version", "3.11", keep=keep)
    constrained = ("-c", "requirements.txt")
    compile_lock(
        ROOT / "tools" / "uv.in", ROOT / "tools" / "uv.txt", "--python-version", "3.11", *constrained, keep=keep
    )
    for source in sorted(ROOT.glob("layers/*/requirements.in")) + sorted(
        ROOT.glob("containers/*/requirements.in")
    ):
        compile_lock(source, source.with_suffix(".txt"), "--python-version", "3.13", *constrained, keep=keep)


if __name__ == "__main__":
    main()
