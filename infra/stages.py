"""The stages, and everything in which they differ: settings only, never structure."""

from dataclasses import dataclass
from typing import Literal

Auth = Literal["iam", "jwt", "token"]


@dataclass(frozen=True)
class Stage:
    """Settings of one deployment."""

    name: str
    keep_state: bool
    """Bucket, table and logs outlive the stacks."""
    point_in_time_recovery: bool
    log_days: int
    """Days a log line is kept; one of the numbers that CloudWatch Logs knows."""
    upload_days: int
    """Days until an upload under `incoming/` expires, whose contents were copied to `objects/` long before, and
    one under `unscored/`."""
    quarantine_days: int
    """Days until what was refused, and rows that were left out, are gone from `quarantine/`."""
    requests_per_second: int
    burst: int
    alarm_email: str | None
    """Who hears of alarms. Without one they are raised all the same, on the topic."""
    idle_usd_limit: float
    """What the deployment may cost in a month in which nothing happens; synth fails above it."""
    rehearsal: bool
    """Whether run options that spoil a model on purpose are permitted."""
    self_approval: bool
    """Whether who submitted a run may approve the release of its model."""
    architecture: str = "x86_64"
    third_party_layers: bool = True
    """False on the embedded cloud: its functions run in the checkout's environment, made from the lock that
    constrains the layers' locks, so that they import the same versions without copying 400 MB at each
    deployment."""
    require_tls: bool = True
    """False on the embedded cloud, which speaks plain HTTP on the loopback interface."""
    look_seconds: int | None = None
    cool_down_seconds: int | None = None
    drift_schedule_minutes: int | None = None
    """These three, if given, take the place of the project files' waiting times."""
    training_image: str | None = None
    """The image of SageMaker's jobs (containers/training/Dockerfile, pushed to ECR), by digest or tag. Without
    one, no run can compute on SageMaker. The embedded cloud runs the program itself."""
    split_bytes: int | None = None
    """If given, takes the place of the size above which files are read in parts."""
    auth: Auth = "iam"
    """Who may call the API: who signs with IAM credentials that are granted it; who brings a JWT of `jwt_issuer`;
    who brings a token of `tidemill tokens`. `GET /health` is open to all (docs/serving.md)."""
    jwt_issuer: str | None = None
    """The issuer (`iss`) of an OpenID Connect provider, `https://…`; its keys are found from there."""
    jwt_audience: tuple[str, ...] = ()
    """The audiences (`aud`, or `client_id`) of which a JWT must name one."""
    jwt_scopes: bool = True
    """A JWT needs the scope `tidemill/<project>/<action>`. False: it opens everything, whatever its scopes."""

    def __post_init__(self) -> None:
        if self.auth == "jwt" and not (self.jwt_issuer and self.jwt_issuer.startswith("https://")):
            raise ValueError(
                f"stage {self.name}: auth jwt needs the issuer, not {self.jwt_issuer!r}; "
                "set jwt_issuer to its https:// address"
            )
        if self.auth == "jwt" and not self.jwt_audience:
            raise ValueError(
                f"stage {self.name}: auth jwt needs an audience, or tokens for other programs would open this "
                "API; set jwt_audience"
            )


LOCAL = Stage(
    name="local",
    keep_state=False,
    point_in_time_recovery=False,
    log_days=7,
    upload_days=90,
    quarantine_days=30,
    requests_per_second=1000,
    burst=2000,
    alarm_email=None,
    idle_usd_limit=5.0,
    rehearsal=True,
    self_approval=True,
    third_party_layers=False,
    require_tls=False,
    look_seconds=4,
    cool_down_seconds=600,
    drift_schedule_minutes=1,
    split_bytes=256 << 20,
)

DEV = Stage(
    name="dev",
    keep_state=False,
    point_in_time_recovery=False,
    log_days=30,
    upload_days=90,
    quarantine_days=30,
    requests_per_second=50,
    burst=100,
    alarm_email=None,
    idle_usd_limit=5.0,
    rehearsal=True,
    self_approval=True,
)

PROD = Stage(
    name="prod",
    keep_state=True,
    point_in_time_recovery=True,
    log_days=365,
    upload_days=365,
    quarantine_days=90,
    requests_per_second=500,
    burst=1000,
    alarm_email=None,
    idle_usd_limit=20.0,
    rehearsal=False,
    self_approval=False,
)

STAGES = {stage.name: stage for stage in (LOCAL, DEV, PROD)}
