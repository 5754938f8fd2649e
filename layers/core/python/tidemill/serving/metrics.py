"""Metrics as log lines, for code in which powertools would cost too much, or add a dimension too many."""

from collections.abc import Mapping
from datetime import datetime

from tidemill import names
from tidemill.serving import compact


def metrics_line(
    project: str, metrics: Mapping[str, int], at: datetime, *, stage: str | None = None, variant: str | None = None
) -> str:
    """Counts as one line in CloudWatch's embedded metric format (AWS, "Specification: Embedded metric format"): of
    the project; if a stage is given, of the project in that stage as well, as an account may have several; and of
    its function version there, if one is given."""
    known = {names.DIMENSION_PROJECT: project}
    dimensions = [[names.DIMENSION_PROJECT]]
    for name, value in ((names.DIMENSION_STAGE, stage), (names.DIMENSION_VARIANT, variant)):
        if value is not None:
            known[name] = value
            dimensions.append([*known])
    directive = {
        "Namespace": names.METRIC_NAMESPACE,
        "Dimensions": dimensions,
        "Metrics": [{"Name": name, "Unit": "Count"} for name in metrics],
    }
    envelope = {"Timestamp": int(at.timestamp() * 1000), "CloudWatchMetrics": [directive]}
    return compact.text({"_aws": envelope, **known, **metrics})
