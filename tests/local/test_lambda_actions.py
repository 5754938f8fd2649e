"""Lambda's requests are authorized by the actions and resources that AWS's service authorization reference
names."""

import pytest
from ministack.core import iam_actions

from local.extensions import lambda_actions


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The extension, taken out again after the test."""
    monkeypatch.setitem(iam_actions._BOTOCORE_SERVICE_MAP, "lambda", [])
    for name in ("_lambda_action", "extract_resource_arn"):
        monkeypatch.setattr(iam_actions, name, getattr(iam_actions, name))
    monkeypatch.delitem(iam_actions._REST_ROUTE_CACHE, "lambda", raising=False)
    lambda_actions.install()


@pytest.mark.parametrize(
    ("method", "path", "action"),
    [
        ("POST", "/2015-03-31/functions/f/invocations", "InvokeFunction"),
        ("GET", "/2015-03-31/functions/f/aliases/live", "GetAlias"),
        ("PUT", "/2015-03-31/functions/f/aliases/live", "UpdateAlias"),
        ("GET", "/2015-03-31/functions/f/versions", "ListVersionsByFunction"),
        ("POST", "/2015-03-31/functions/f/versions", "PublishVersion"),
        ("PUT", "/2015-03-31/functions/f/configuration", "UpdateFunctionConfiguration"),
        ("GET", "/2018-10-31/layers", "ListLayers"),
        ("GET", "/2018-10-31/layers/l/versions", "ListLayerVersions"),
        ("GET", "/2018-10-31/layers/l/versions/3", "GetLayerVersion"),
        ("POST", "/2018-10-31/layers/l/versions", "PublishLayerVersion"),
    ],
)
def test_action(installed: None, method: str, path: str, action: str) -> None:
    assert iam_actions.extract_iam_action("lambda", method, path, {}, b"", {}) == f"lambda:{action}"


@pytest.mark.parametrize(
    ("path", "resource"),
    [
        ("/2018-10-31/layers/l/versions/3", "arn:aws:lambda:us-east-1:0:layer:l:3"),
        ("/2018-10-31/layers/l/versions", "arn:aws:lambda:us-east-1:0:layer:l"),
        ("/2015-03-31/functions/f/versions", "arn:aws:lambda:us-east-1:0:function:f"),
    ],
)
def test_resource(installed: None, path: str, resource: str) -> None:
    found = iam_actions.extract_resource_arn("lambda", "GET", path, {}, b"", {}, "us-east-1", "0")
    assert found == resource
