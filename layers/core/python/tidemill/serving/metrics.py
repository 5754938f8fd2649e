"""Metrics as log lines, for code in which powertools would cost too much, or add a dimension too many."""

from collections.abc import Mapping
from datetime import datetime

from tidemill import names
from tidemill.serving import compact


def metrics_line(project: str, metrics: Mapping[str, int], at: datetime, *, variant: str | None = None) -> str:
    """Counts as one line in CloudWatch's embedded metric format (AWS, "Specification: Embedded metric format"): of
    the project, and, if one is given, of its function version as well."""
    known = {names.DIMENSION_PROJECT: project}
    dimensions = [[names.DIMENSION_PROJECT]]
    if variant is not None:
        known[names.DIMENSION_VARIANT] = variant
        dimensions.append([names.DIMENSION_PROJECT, names.DIMENSION_VARIANT])
    directive = {
        "Namespace": names.METRIC_NAMESPACE,
        "Dimensions": dimensions,
        "Metrics": [{"Name": name, "Unit": "Count"} for name in metrics],
    }
    envelope = {"Timestamp": int(at.timestamp() * 1000), "CloudWatchMetrics": [directive]}
    return compact.text({"_aws": envelope, **known, **metrics})
