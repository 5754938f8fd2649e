"""Whether a request may go on, by the API token that it brings. Called by API Gateway's authorizer.

Reads the token's row for each request, so that a revoked token opens nothing from that moment on. Writes the day
of its last use, once a day, and the count of a token that has a limit.
"""

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any, NamedTuple

from tidemill import names, token_names
from tidemill.errors import ConflictError, StoreBusy
from tidemill.ports import Clock, Counter, Index, Update
from tidemill.serving import routes
from tidemill.serving.tokens import form, judge, limit


class Verdict(NamedTuple):
    """`denied`: why not, or None. `client`: the token's name, known once its secret was right. `wait`: seconds
    until it may send again; the request goes on with it, since an authorizer can answer 401 and 403 alone, and the
    function behind it answers 429."""

    denied: str | None
    client: str | None = None
    wait: int = 0

    def response(self) -> dict[str, Any]:
        """A simple response of payload format 2.0 (AWS, "Control access to HTTP APIs with AWS Lambda
        authorizers")."""
        context = {token_names.CONTEXT_CLIENT: self.client} if self.client else {}
        return {
            "isAuthorized": self.denied is None,
            "context": {**context, **({names.CONTEXT_WAIT: str(self.wait)} if self.wait else {})},
        }


def authorize_request(
    *,
    route_key: str,
    path: str,
    parameters: Mapping[str, str],
    header: str | None,
    index: Index,
    counter: Counter,
    clock: Clock,
) -> Verdict:
    """The verdict. Raises StoreBusy when the table cannot be asked: API Gateway answers 500 then, which clients
    try again, where they take 403 for the last word; the request goes no further in either case."""
    at = clock()
    asked = routes.asked(route_key=route_key, path=path, parameters=parameters)
    if asked is None:
        return Verdict("no_action")
    token = form.read(header)
    if token is None:
        return Verdict("malformed")
    row = index.get(token_names.PK_TOKENS, token_names.sk_token(token.name))
    denied = judge.denial(row, secret=token.secret, asked=asked, at=at)
    if denied is not None or row is None:
        return Verdict(denied or "unknown", token.name if denied not in ("unknown", "wrong_secret") else None)
    wait = 0
    if most := row["requests_per_minute"]:
        wait = limit.seconds_to_wait(token.name, limit=most, index=index, counter=counter, at=at)
    _note_use(row, index, at)
    return Verdict(None, token.name, wait)


def _note_use(row: Mapping[str, Any], index: Index, at: datetime) -> None:
    """The day, unless it is noted. A note that cannot be taken keeps nobody from going on."""
    day = at.date().isoformat()
    if row.get("used_on") != day:
        with suppress(ConflictError, StoreBusy):
            index.transact([Update(token_names.PK_TOKENS, token_names.sk_token(row["name"]), {"used_on": day})])
