"""What to tell a person about an error of AWS or of the library: the problem, and what to do about it."""

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
    TokenRetrievalError,
)

from cli.errors import CliError
from local.cloud import CloudError
from local.toolchain import ToolMissing
from tidemill.errors import TidemillError

EXPECTED = (CliError, TidemillError, CloudError, ToolMissing, BotoCoreError, ClientError)
"""What may end a command without being a fault of this program."""

_SIGN_IN = "sign in (`aws configure`, `aws sso login`, or AWS_PROFILE), or use the embedded cloud: `--stage local`"
_DENIED = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"}
_EXPIRED = {"ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "UnrecognizedClientException"}


def remedy(error: Exception) -> str:
    """The message. Errors of this project carry their remedy already."""
    if isinstance(error, ClientError):
        return _of_aws(error)
    if isinstance(error, NoCredentialsError | PartialCredentialsError | TokenRetrievalError | ProfileNotFound):
        return f"there are no usable AWS credentials ({error}); {_SIGN_IN}"
    if isinstance(error, NoRegionError):
        return "no AWS region is chosen; set AWS_REGION, or use the embedded cloud: `--stage local`"
    if isinstance(error, EndpointConnectionError | ConnectTimeoutError):
        return f"{error}; check the network, and AWS_REGION. The embedded cloud is started with `tidemill up`"
    if isinstance(error, BotoCoreError):
        return f"AWS could not be asked: {error}; `tidemill doctor` checks credentials and region"
    return str(error)


def _of_aws(error: ClientError) -> str:
    code, message = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
    if code in _EXPIRED:
        return f"AWS does not accept the credentials ({code}); {_SIGN_IN}"
    if code in _DENIED:
        return f"AWS refused {error.operation_name}: {message}; ask whoever owns the account for that permission"
    return f"AWS refused {error.operation_name}: {code}: {message}"
