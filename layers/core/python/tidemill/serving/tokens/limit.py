"""How many requests a token with a limit makes in a minute, counted in one row of the table per token.

Only tokens that have a limit cost this: a read and a write for each request, the read alone once the minute's are
used up. The row is overwritten from minute to minute, so that nothing has to be removed.
"""

from datetime import datetime

from tidemill import token_names
from tidemill.ports import Counter, Index


def seconds_to_wait(name: str, *, limit: int, index: Index, counter: Counter, at: datetime) -> int:
    """Counts the request, and gives 0; where the minute's requests are used up, the seconds until the next minute.

    Clocks of two machines differ: an older minute than the one that is counted is not begun again."""
    pk, sk = token_names.PK_TOKENS, token_names.sk_token_minute(name)
    minute = at.isoformat(timespec="minutes")
    row = index.get(pk, sk)
    spent = row is not None and row["period"] >= minute and row["made"] >= limit
    if spent or not counter.count(pk, sk, period=minute, most=limit):
        return 60 - at.second
    return 0
