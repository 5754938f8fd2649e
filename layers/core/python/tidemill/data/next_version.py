"""Make manifests the next dataset versions: what AcceptVersion and erasures have in common.

The manifests are written first, the rows and the counter change in the caller's transaction, the facts follow (see
`versions`).
"""

from collections.abc import Sequence

from tidemill import names
from tidemill.data import versions
from tidemill.data.versions import Document
from tidemill.ports import Index, ObjectStore, Put


def proposed(
    documents: Sequence[Document], *, objects: ObjectStore, index: Index, again: bool = False
) -> list[Put]:
    """Write the manifests of versions that follow the head, in their order; give the changes that make them
    versions if the head is the first one's parent still. With `again` one may hold what an earlier one holds: the
    content is then the later one's. Raises IndexBehind."""
    project, first = documents[0]["project"], documents[0]["version"]
    _require_history(first, project, objects, index)
    pk, last = names.pk(project), documents[-1]["version"]
    changes = [Put(pk, names.COUNTER_DATASETS, versions.counter(last), if_epoch=first - 1)]
    held: dict[str, int] = {}
    for document in documents:
        number, identity = document["version"], versions.write_manifest(objects, document)
        changes.append(Put(pk, names.sk_dataset(number), versions.row_of(document, identity), if_absent=True))
        held[document["content"]] = number
    contents = [(names.sk_content(content), {"dataset_version": number}) for content, number in held.items()]
    return [*changes, *(Put(pk, sk, row, if_absent=not again) for sk, row in contents)]


def _require_history(number: int, project: str, objects: ObjectStore, index: Index) -> None:
    """The parent's fact must be in S3 (its own process may have died before writing it), and no fact under the
    number that is to be given."""
    if number > 1:
        versions.write_fact(number - 1, project=project, objects=objects, index=index)
    versions.require_free(number, project=project, objects=objects, index=index)
