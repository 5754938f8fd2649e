"""Values as text in a row, large ones in the bucket.

A row holds 400 KB at most (DynamoDB), and samplers keep whole populations in an attribute. A value is its JSON
text, which keeps infinities and NaN as Optuna does; above INLINE characters the row has `@` and the SHA-256 of
the text, and the text lies in the bucket under that digest, written once, before the row.
"""

import json
from functools import lru_cache
from typing import Any

from tidemill import canonical, names
from tidemill.ports import ObjectStore

INLINE = 4096
"""Characters up to which a value stays in its row."""

_REFERENCE = "@"
_REMEMBERED = 256


class Texts:
    """The values of the studies of a project."""

    def __init__(self, objects: ObjectStore, project: str) -> None:
        self._objects, self._project = objects, project
        self._text = lru_cache(_REMEMBERED)(self._fetched)

    def text(self, value: Any, *, inline: int = INLINE) -> str:
        """What a row holds of a value. Raises TypeError if it is no JSON value."""
        text = json.dumps(value, separators=(",", ":"))
        if len(text) <= inline:
            return text
        body = text.encode()
        digest = canonical.sha256(body)
        self._objects.put_new(self._key(digest), body, content_type="application/json")
        return _REFERENCE + digest

    def value(self, text: str) -> Any:
        """The value of what a row holds; a new object each time. Raises RecordNotFound."""
        return json.loads(self._text(text[1:]) if text.startswith(_REFERENCE) else text)

    def _fetched(self, digest: str) -> str:
        return self._objects.get(self._key(digest)).decode()

    def _key(self, digest: str) -> str:
        return names.study_value(self._project, digest)
