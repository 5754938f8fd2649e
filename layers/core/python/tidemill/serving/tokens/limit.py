"""How many requests a token with a limit makes in a minute, counted in one row of the table per token.

Only tokens that have a limit cost this: a read and a conditional write for each request. The row is overwritten
from minute to minute, so that nothing has to be removed.
"""

from datetime import datetime

from tidemill import token_names
from tidemill.errors import ConflictError
from tidemill.ports import Index, Put

_TRIES = 8


def seconds_to_wait(name: str, *, limit: int, request_id: str, index: Index, at: datetime) -> int:
    """Counts the request, and gives 0; where the minute's requests are used up, the seconds until the next minute.

    Of many at once some may lose each try against others; those wait, too, as if there were none left."""
    sk = token_names.sk_token_minute(name)
    for _ in range(_TRIES):
        row = index.get(token_names.PK_TOKENS, sk) or {}
        # Clocks of two machines differ: an older minute than the one that is counted is not begun again.
        minute = max(at.isoformat(timespec="minutes"), row.get("minute", ""))
        made = row["requests"] if row.get("minute") == minute else 0
        if made >= limit:
            return 60 - at.second
        epoch = row.get("epoch", 0)
        counted = {"minute": minute, "requests": made + 1, "request_id": request_id, "epoch": epoch + 1}
        try:
            index.transact([Put(token_names.PK_TOKENS, sk, counted, if_epoch=epoch, proof="request_id")])
        except ConflictError:
            continue
        return 0
    return 1
