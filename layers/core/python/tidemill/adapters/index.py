"""The table on DynamoDB: one table, `pk` and `sk`, strongly consistent reads, conditions in transactions."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import ClientError

from tidemill.errors import ConflictError, RowTooLarge, StoreBusy, TidemillError
from tidemill.ports import Put, Row, Update

_serialize = TypeSerializer().serialize
_deserialize = TypeDeserializer().deserialize
_LAST = chr(0x10FFFF)
_LOST = {
    "ConditionalCheckFailed", "ConditionalCheckFailedException",
    "TransactionConflict", "TransactionConflictException",
}  # fmt: skip
_BUSY = {
    "ProvisionedThroughputExceeded", "ProvisionedThroughputExceededException", "RequestLimitExceeded",
    "ThrottlingError", "ThrottlingException",
}  # fmt: skip
_TOO_LARGE = "Item size"


class DynamoIndex:
    """An Index and a Counter on one table. `client` is a low-level DynamoDB client."""

    def __init__(self, client: Any, table: str) -> None:
        self._client = client
        self.table = table

    def get(self, pk: str, sk: str) -> Row | None:
        try:
            answer = self._client.get_item(TableName=self.table, Key=_key(pk, sk), ConsistentRead=True)
        except ClientError as error:
            raise _translated(error, f"{pk} {sk}") from error
        return _row(answer["Item"]) if "Item" in answer else None

    def query(
        self, pk: str, prefix: str, *, start: str = "", newest_first: bool = False, limit: int | None = None
    ) -> list[Row]:
        request: dict[str, Any] = {
            "TableName": self.table,
            "KeyConditionExpression": "pk = :pk AND begins_with(sk, :prefix)",
            "ExpressionAttributeValues": {":pk": {"S": pk}, ":prefix": {"S": prefix}},
            "ScanIndexForward": not newest_first,
            "ConsistentRead": True,
        }
        if start > prefix:
            request["KeyConditionExpression"] = "pk = :pk AND sk BETWEEN :start AND :end"
            ends = {":start": {"S": start}, ":end": {"S": prefix + _LAST}}
            request["ExpressionAttributeValues"] = {":pk": {"S": pk}, **ends}
        if limit is not None:
            request["Limit"] = limit
        rows: list[Row] = []
        try:
            for page in self._client.get_paginator("query").paginate(**request):
                rows += [_row(item) for item in page["Items"]]
                if limit is not None and len(rows) >= limit:
                    return rows[:limit]
        except ClientError as error:
            raise _translated(error, f"{pk} {prefix}…") from error
        return rows

    def transact(self, changes: Sequence[Put | Update]) -> None:
        try:
            if len(changes) == 1 and _is_repeatable(changes[0]):  # half the price of a transaction, and quicker
                (request,) = self._item(changes[0]).values()
                write = self._client.put_item if isinstance(changes[0], Put) else self._client.update_item
                write(**request)
            else:
                self._client.transact_write_items(TransactItems=[self._item(change) for change in changes])
        except ClientError as error:
            raise _translated(error, ", ".join(f"{change.pk} {change.sk}" for change in changes)) from error

    def count(self, pk: str, sk: str, *, period: str, most: int) -> bool:
        begins = ("SET #made = :one, #period = :period", "attribute_not_exists(pk) OR #period < :period")
        goes_on = ("SET #made = #made + :one", "#period >= :period AND #made < :most")
        # Once more after a beginning that another has made meanwhile; nobody makes a period earlier again.
        return any(
            self._is_counted(pk, sk, period, most, expression=expression, condition=condition)
            for expression, condition in (goes_on, begins, goes_on)
        )

    def _is_counted(self, pk: str, sk: str, period: str, most: int, *, expression: str, condition: str) -> bool:
        values = {":one": 1, ":period": period, **({":most": most} if ":most" in condition else {})}
        try:
            self._client.update_item(
                TableName=self.table,
                Key=_key(pk, sk),
                UpdateExpression=expression,
                ConditionExpression=condition,
                ExpressionAttributeNames={"#made": "made", "#period": "period"},
                ExpressionAttributeValues={name: _attribute(value) for name, value in values.items()},
            )
        except ClientError as error:
            translated = _translated(error, f"{pk} {sk}")
            if isinstance(translated, ConflictError):
                return False
            raise translated from error
        return True

    def _item(self, change: Put | Update) -> dict[str, Any]:
        return {"Put": self._put(change)} if isinstance(change, Put) else {"Update": self._update(change)}

    def _put(self, change: Put) -> dict[str, Any]:
        row = {**change.row, "pk": change.pk, "sk": change.sk}
        item: dict[str, Any] = {"TableName": self.table, "Item": {k: _attribute(v) for k, v in row.items()}}
        condition, values = "", {}
        if change.if_absent:
            condition = "attribute_not_exists(pk)"
        elif change.if_epoch == 0:
            condition = "attribute_not_exists(epoch)"
        elif change.if_epoch is not None:
            condition, values = "epoch = :epoch", {":epoch": _attribute(change.if_epoch)}
        if condition and change.proof:
            condition += " OR #proof = :proof"
            item["ExpressionAttributeNames"] = {"#proof": change.proof}
            values[":proof"] = item["Item"][change.proof]
        if condition:
            item["ConditionExpression"] = condition
        if values:
            item["ExpressionAttributeValues"] = values
        return item

    def _update(self, change: Update) -> dict[str, Any]:
        attribute_names = {f"#n{i}": name for i, name in enumerate([*change.set, *change.if_equal])}
        place = {name: alias for alias, name in attribute_names.items()}
        values = {f":s{i}": _attribute(value) for i, value in enumerate(change.set.values())}
        assignments = [f"{place[name]} = :s{i}" for i, name in enumerate(change.set)]
        told = any(value is not None for value in change.if_equal.values())  # no row has it that does not exist
        conditions = [] if told else ["attribute_exists(pk)"]
        for i, (name, value) in enumerate(change.if_equal.items()):
            if value is None:
                conditions.append(f"(attribute_not_exists({place[name]}) OR {place[name]} = :c{i})")
            else:
                conditions.append(f"{place[name]} = :c{i}")
            values[f":c{i}"] = _attribute(value)
        condition = " AND ".join(conditions)
        if change.proof is not None:
            condition = f"({condition}) OR {place[change.proof]} = :s{list(change.set).index(change.proof)}"
        used = " ".join([*assignments, condition]).replace("(", " ").replace(")", " ").split()
        return {
            "TableName": self.table,
            "Key": _key(change.pk, change.sk),
            "UpdateExpression": "SET " + ", ".join(assignments),
            "ConditionExpression": condition,
            "ExpressionAttributeNames": {alias: n for alias, n in attribute_names.items() if alias in used},
            "ExpressionAttributeValues": values,
        }


def _is_repeatable(change: Put | Update) -> bool:
    """Whether the change may be made twice: the SDK sends it again when the answer is lost. A condition that the
    change itself makes false needs a proof, or a transaction, which DynamoDB knows by its token."""
    if change.proof is not None:
        return True
    if isinstance(change, Put):
        return not change.if_absent and change.if_epoch is None
    return not change.set.keys() & change.if_equal.keys()


def _translated(error: ClientError, keys: str) -> TidemillError | ClientError:
    """What went wrong with these rows, in Tidemill's terms where it has one."""
    reasons = error.response.get("CancellationReasons", ())
    codes = {error.response["Error"]["Code"], *(str(reason.get("Code")) for reason in reasons)}
    messages = [error.response["Error"].get("Message", ""), *(reason.get("Message") or "" for reason in reasons)]
    if codes & _LOST:
        return ConflictError(f"one of the rows {keys} is not as expected; read them again")
    if codes & _BUSY:
        return StoreBusy(f"the table is busy with {keys}; try again in a moment")
    if any(_TOO_LARGE in message for message in messages):
        return RowTooLarge(f"one of the rows {keys} would have more than 400 KB; keep large values in the bucket")
    return error


def _key(pk: str, sk: str) -> dict[str, Any]:
    return {"pk": {"S": pk}, "sk": {"S": sk}}


def _row(item: Mapping[str, Any]) -> Row:
    return {name: _plain(_deserialize(value)) for name, value in item.items()}


def _attribute(value: Any) -> dict[str, Any]:
    typed: dict[str, Any] = _serialize(_exact(value))
    return typed


def _exact(value: Any) -> Any:
    """Floats become decimals of the same shortest text; DynamoDB knows no binary floats."""
    if isinstance(value, float):
        return Decimal(repr(value))
    if isinstance(value, Mapping):
        return {name: _exact(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_exact(item) for item in value]
    return value


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value
