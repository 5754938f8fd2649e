"""Who may call the API, by the setting `auth`: no route is open but health, and limits are where they were asked
for."""

import json
from functools import lru_cache
from pathlib import Path

import pytest
import yaml
from cfnlint.api import lint
from cfnlint.config import ManualArgs

from infra.stages import STAGES
from tidemill.serving import routes

JWT = {"auth": "jwt", "jwt_issuer": "https://issuer.example/pool", "jwt_audience": ("client",)}
SETTINGS = {
    "iam": ({}, "AWS_IAM"),
    "jwt": (JWT, "JWT"),
    "jwt, any scope": ({**JWT, "jwt_scopes": False}, "JWT"),
    "token": ({"auth": "token"}, "CUSTOM"),
}
PROJECTS = ("diamonds", "flights", "wines")


def by_key(template, of_kind) -> dict[str, dict]:
    found = of_kind(template, "AWS::ApiGatewayV2::Route").values()
    assert len({route["RouteKey"] for route in found}) == len(found)
    return {route["RouteKey"]: route for route in found}


@pytest.fixture(scope="module")
def with_setting(synthesize):
    """The assembly of a stage under one of SETTINGS, made once."""
    return lru_cache(maxsize=None)(lambda stage, name: synthesize(stage, nag=stage == "dev", **SETTINGS[name][0]))


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("setting", SETTINGS)
def test_no_route_of_any_stage_and_setting_is_open_but_health(stage, setting, with_setting, of_kind) -> None:
    template, expected = with_setting(stage, setting).platform, SETTINGS[setting][1]
    authorizers = of_kind(template, "AWS::ApiGatewayV2::Authorizer")
    for key, route in by_key(template, of_kind).items():
        if key == "GET /health":
            assert route["AuthorizationType"] == "NONE"
            continue
        assert route["AuthorizationType"] == expected, key
        if expected != "AWS_IAM":
            assert route["AuthorizerId"]["Ref"] in authorizers
        assert routes.action_of(key) in routes.ACTIONS


@pytest.mark.parametrize("setting", SETTINGS)
def test_what_the_rule_packs_say_of_each_setting_is_answered(setting, with_setting) -> None:
    made = with_setting("dev", setting)
    assert made.violations == []
    # W3005: CDK writes DependsOn beside a reference that says the same.
    options = ManualArgs(ignore_checks=["W3005"], regions=["us-east-1"])
    for template in made.folder.glob("*.template.json"):
        found = lint(template.read_text(), config=options)
        assert [f"{match.rule.id} {match.message} {match.path}" for match in found] == []


def test_iam_needs_no_authorizer_and_no_function(dev, of_kind) -> None:
    assert not of_kind(dev.platform, "AWS::ApiGatewayV2::Authorizer")
    handlers = {each["Handler"] for each in of_kind(dev.platform, "AWS::Lambda::Function").values()}
    assert "authorize_request.handler" not in handlers


def test_a_jwt_is_of_the_issuer_for_the_audience_and_each_route_has_its_scope(with_setting, of_kind) -> None:
    template = with_setting("dev", "jwt").platform
    (authorizer,) = of_kind(template, "AWS::ApiGatewayV2::Authorizer").values()
    assert authorizer["AuthorizerType"] == "JWT"
    assert authorizer["JwtConfiguration"] == {"Issuer": JWT["jwt_issuer"], "Audience": ["client"]}
    assert authorizer["IdentitySource"] == ["$request.header.Authorization"]
    scopes = {
        key: route.get("AuthorizationScopes")
        for key, route in by_key(template, of_kind).items()
        if key != "GET /health"
    }
    expected = {}
    for name in PROJECTS:
        expected |= {
            f"POST /projects/{name}/predict": [f"tidemill/{name}/predict"],
            f"POST /projects/{name}/outcomes": [f"tidemill/{name}/outcomes"],
            f"GET /projects/{name}": [f"tidemill/{name}/read"],
            f"GET /projects/{name}/openapi.json": [f"tidemill/{name}/read"],
            f"POST /projects/{name}/release": [f"tidemill/{name}/release"],
            f"POST /projects/{name}/releases/{{release}}/decision": [f"tidemill/{name}/release"],
        }
    # None for all projects: its scopes would be those of any of them.
    assert scopes == expected


def test_without_scopes_one_route_is_for_all_projects(with_setting, of_kind) -> None:
    found = by_key(with_setting("dev", "jwt, any scope").platform, of_kind)
    assert "AuthorizationScopes" not in found["POST /projects/{project}/outcomes"]
    assert "POST /projects/flights/outcomes" not in found


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"auth": "jwt", "jwt_audience": ("client",)}, "needs the issuer"),
        ({"auth": "jwt", "jwt_issuer": "http://plain.example", "jwt_audience": ("c",)}, "needs the issuer"),
        ({"auth": "jwt", "jwt_issuer": "https://issuer.example"}, "needs an audience"),
    ],
)
def test_a_stage_of_jwts_that_would_trust_anybody_is_refused(settings, said) -> None:
    from dataclasses import replace

    with pytest.raises(ValueError, match=said):
        replace(STAGES["dev"], **settings)


def test_tokens_are_judged_by_a_function_at_each_request(with_setting, of_kind) -> None:
    template = with_setting("dev", "token").platform
    ((name, authorizer),) = of_kind(template, "AWS::ApiGatewayV2::Authorizer").items()
    assert authorizer["AuthorizerType"] == "REQUEST"
    assert authorizer["AuthorizerPayloadFormatVersion"] == "2.0"
    assert authorizer["EnableSimpleResponses"] is True
    assert authorizer["AuthorizerResultTtlInSeconds"] == 0
    assert authorizer["IdentitySource"] == ["$request.header.Authorization"]
    ((function, properties),) = [
        (logical, each)
        for logical, each in of_kind(template, "AWS::Lambda::Function").items()
        if each["Handler"] == "authorize_request.handler"
    ]
    assert function in json.dumps(authorizer["AuthorizerUri"])
    assert properties["Environment"]["Variables"]["TIDEMILL_AUTH"] == "token"
    (permission,) = [
        each
        for each in of_kind(template, "AWS::Lambda::Permission").values()
        if function in json.dumps(each["FunctionName"])
    ]
    assert permission["Principal"] == "apigateway.amazonaws.com"
    assert name in json.dumps(permission["SourceArn"]) and "authorizers/" in json.dumps(permission["SourceArn"])


def test_the_authorizer_reaches_the_rows_of_tokens_alone(with_setting, of_kind) -> None:
    template = with_setting("dev", "token").platform
    (role,) = [r for n, r in of_kind(template, "AWS::IAM::Role").items() if "AuthorizeRequest" in n]
    statements = role["Policies"][0]["PolicyDocument"]["Statement"]
    (table,) = [s for s in statements if "dynamodb:GetItem" in s["Action"]]
    assert table["Condition"] == {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["TOKENS"]}}
    assert not any("s3:" in json.dumps(s["Action"]) for s in statements)


@pytest.mark.parametrize(
    ("setting", "caller"),
    [
        ("iam", "$context.identity.userArn"),
        ("jwt", "$context.authorizer.claims.sub"),
        ("token", "$context.authorizer.client"),
    ],
)
def test_the_access_log_names_the_caller(setting, caller, with_setting, of_kind) -> None:
    (stage,) = of_kind(with_setting("dev", setting).platform, "AWS::ApiGatewayV2::Stage").values()
    assert json.loads(stage["AccessLogSettings"]["Format"])["caller"] == caller


def test_other_programs_can_ask_what_the_api_asks_for(with_setting, of_kind) -> None:
    for said in ("iam", "jwt", "token"):
        found = of_kind(with_setting("dev", said).platform, "AWS::SSM::Parameter").values()
        assert {each["Name"]: each["Value"] for each in found}["/tidemill/dev/auth"] == said


@pytest.fixture
def limited(monkeypatch, tmp_path: Path):
    """The checkout's projects, of which flights has limits of its own."""
    from infra import project_files

    for path in project_files.folder().glob("*.yaml"):
        described = yaml.safe_load(path.read_text())
        if described["name"] == "flights":
            described["serving"] = {"requests_per_second": 20, "concurrency": 7}
        (tmp_path / path.name).write_text(yaml.safe_dump(described))
    return project_files.read(tmp_path)


def test_a_project_with_limits_has_routes_that_are_held_to_them(limited, synthesize, of_kind) -> None:
    template = synthesize("dev", projects=limited).platform
    ((name, stage),) = of_kind(template, "AWS::ApiGatewayV2::Stage").items()
    paths = ("POST {}/predict", "POST {}/outcomes", "GET {}", "GET {}/openapi.json", "POST {}/release")
    keys = {path.format("/projects/flights") for path in paths}
    keys.add("POST /projects/flights/releases/{release}/decision")
    limit = {"ThrottlingRateLimit": 20, "ThrottlingBurstLimit": 40}
    assert stage["RouteSettings"] == dict.fromkeys(keys, limit)
    # Settings of a route are refused before there is the route.
    routes = {n for n, r in of_kind(template, "AWS::ApiGatewayV2::Route").items() if r["RouteKey"] in keys}
    assert set(template["Resources"][name]["DependsOn"]) >= routes and len(routes) == len(keys)
    assert "POST /projects/{project}/outcomes" in by_key(template, of_kind)


def test_the_copies_of_an_endpoint_are_limited_where_the_project_says_so(limited, synthesize, of_kind) -> None:
    functions = of_kind(synthesize("dev", projects=limited).platform, "AWS::Lambda::Function").values()
    reserved = {f["FunctionName"]: f.get("ReservedConcurrentExecutions") for f in functions}
    assert {name: n for name, n in reserved.items() if n} == {"tidemill-dev-flights-predict": 7}


def test_no_limits_no_settings_of_routes(dev, of_kind) -> None:
    (stage,) = of_kind(dev.platform, "AWS::ApiGatewayV2::Stage").values()
    assert "RouteSettings" not in stage


def test_a_route_that_is_no_action_is_not_deployed(synthesize, monkeypatch) -> None:
    monkeypatch.setattr(routes, "action_of", lambda key: None)
    with pytest.raises(Exception, match="is no action; name it in"):
        synthesize("dev")


def test_nobody_could_approve_where_the_api_asks_for_tokens(synthesize) -> None:
    from infra import project_files

    flights = project_files.read(project_files.folder())["flights"]
    waits = flights.model_copy(update={"rollout": flights.rollout.model_copy(update={"approval": "required"})})
    with pytest.raises(ValueError, match="need a person's approval"):
        synthesize("dev", projects={"flights": waits}, auth="token")
