"""The names that two places must agree on about who may call the API; `names.py` has all others."""

# --- environment ------------------------------------------------------------------------------------------------
ENV_AUTH = "TIDEMILL_AUTH"  # who may call the API: `iam` (where it is not set), `jwt` or `token`
ENV_TOKEN = "TIDEMILL_TOKEN"  # an API token or a JWT that the command line sends in place of a signature

# --- metrics ---------------------------------------------------------------------------------------------------
METRIC_DENIED = "DeniedRequests"  # requests whose token opens nothing, or not this; dimensions: reason
DIMENSION_REASON = "reason"

# --- what the authorizer tells the function behind it --------------------------------------------------------
CONTEXT_CLIENT = "client"  # the token's name

# --- table keys ------------------------------------------------------------------------------------------------
PK_TOKENS = "TOKENS"  # partition of the API tokens of a deployment; a token may be of several projects
TOKENS = "TOKEN#"


def sk_token(name: str) -> str:
    return f"{TOKENS}{name}"


def sk_token_minute(name: str) -> str:
    """How many requests a token with a limit has made in the minute of its last one."""
    return f"MINUTE#{name}"
