"""What the steps of the story share: the deployment, the files, the facts found so far, and how to fail."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cli.deployment import Deployment
from cli.errors import CliError
from cli.following import Pace
from cli.project_file import read_project
from cli.remedies import EXPECTED, remedy
from tidemill.projects import Project

PACE_SECONDS = 0.4


class StoryFailed(CliError):
    """Something in the story did not really happen. Names the step, what was expected and found, and where to
    look."""

    def __init__(self, step: str, expected: str, found: Any, look: str) -> None:
        super().__init__(f"step {step!r}: expected {expected}; found {found!r}; look at: {look}")
        self.step = step
        self.expected = expected
        self.found = found
        self.look = look


@dataclass
class Scene:
    """The state of one telling. `folder` is for the files that are uploaded; `say` shows a line of progress."""

    deployment: Deployment
    folder: Path
    reports: Path
    say: Callable[[str], None]
    seed: int = 2013
    facts: dict[str, Any] = field(default_factory=dict)
    step: str = ""
    seconds: dict[str, float] = field(default_factory=dict)

    def pace(self, at_most: float) -> Pace:
        """How to wait for something that takes at most so many seconds."""
        return Pace(every=PACE_SECONDS, at_most=at_most)

    def check(self, true: bool, expected: str, found: Any, look: str) -> None:
        """Go on only if it is true. Raises StoryFailed."""
        if not true:
            raise StoryFailed(self.step, expected, found, look)

    @contextmanager
    def telling(self, step: str) -> Iterator[None]:
        """Measure a step, and name it in whatever fails in it."""
        self.step, begun = step, time.monotonic()
        try:
            yield
        except StoryFailed:
            raise
        except EXPECTED as error:
            raise StoryFailed(
                step, "no error", remedy(error), "`tidemill status` and `tidemill doctor`"
            ) from error
        except Exception as error:
            error.add_note(f"in step {step!r} of the story")
            raise
        finally:
            self.seconds[step] = round(time.monotonic() - begun, 1)

    def project(self, name: str) -> Project:
        """The project file."""
        return read_project(name)

    def file(self, name: str, body: bytes) -> Path:
        """A file to upload."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / name
        path.write_bytes(body)
        return path
