"""Five files that must not become data, made from good rows, each with the code its quarantine must give."""

from dataclasses import dataclass

import pandas as pd

from cli.story.flights import to_csv


@dataclass(frozen=True)
class Damaged:
    """A file, and the code with which it must be refused."""

    name: str
    code: str
    body: bytes


def damaged_files(good: pd.DataFrame) -> list[Damaged]:
    """The files, from good rows of the flights project."""
    wrong_type = good.astype({"departure_delay": object})
    wrong_type.loc[wrong_type.index[::50], "departure_delay"] = "about ten minutes"
    return [
        Damaged("no-carrier-column.csv", "missing_column", to_csv(good.drop(columns="carrier"))),
        Damaged("delay-in-words.csv", "wrong_type", to_csv(wrong_type)),
        Damaged("nobody-was-late.csv", "target_one_class", to_csv(good.assign(late=0))),
        Damaged("picture-named.csv", "not_a_table", b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8),
        Damaged("empty.csv", "empty_file", b""),
    ]
