"""Metric math of alarms: an expression over metrics of the same period.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html. What our alarms need:
numbers, ids, + - * / and comparisons (1 or 0), AND, OR, `IF(condition, value, otherwise)` and
`FILL(id, number)`. A missing point makes what is computed from it missing, as does a division by zero. Anything
else is refused when the alarm is put.
"""

import ast
import operator
import re
from collections.abc import Callable, Mapping

Point = float | None

_ARITHMETIC: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_COMPARISONS: dict[type[ast.cmpop], Callable[[float, float], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_WORDS = {"AND": "and", "&&": "and", "OR": "or", "||": "or"}


class Unknown(ValueError):
    """An expression that is not understood here."""


def parse(expression: str) -> ast.expr:
    """The expression as a tree. Raises Unknown."""
    text = re.sub(r"\bAND\b|\bOR\b|&&|\|\|", lambda found: _WORDS[found[0]], expression)
    try:
        return ast.parse(text.strip(), mode="eval").body
    except SyntaxError as error:
        raise Unknown(f"the expression {expression!r} cannot be read: {error.msg}") from error


def value(tree: ast.expr, known: Mapping[str, Point]) -> Point:
    """What the expression gives, with the points that are known of one period, by id. Raises Unknown."""
    match tree:
        case ast.Constant(value=int() | float() as number):
            return float(number)
        case ast.Name(id=name) if name in known:
            return known[name]
        case ast.BinOp(left=left, op=operation, right=right) if type(operation) in _ARITHMETIC:
            return _combined(_ARITHMETIC[type(operation)], value(left, known), value(right, known))
        case ast.Compare(left=left, ops=[comparison], comparators=[right]) if type(comparison) in _COMPARISONS:
            return _combined(_COMPARISONS[type(comparison)], value(left, known), value(right, known))
        case ast.BoolOp(op=operation, values=several):
            points = [value(each, known) for each in several]
            if None in points:
                return None
            return float(all(points) if isinstance(operation, ast.And) else any(points))
        case ast.Call(func=ast.Name(id="FILL"), args=[ast.Name(id=name), filling]) if name in known:
            point = known[name]
            return value(filling, known) if point is None else point
        case ast.Call(func=ast.Name(id="IF"), args=[condition, then, otherwise]):
            # Both branches are read, so that what is not understood is refused whatever the condition is.
            chosen, branches = value(condition, known), (value(otherwise, known), value(then, known))
            return None if chosen is None else branches[bool(chosen)]
    raise Unknown(f"{ast.unparse(tree)!r} is no metric math that is understood here")


def _combined(operation: Callable[[float, float], float], left: Point, right: Point) -> Point:
    if left is None or right is None:
        return None
    try:
        return float(operation(left, right))
    except ZeroDivisionError:
        return None
