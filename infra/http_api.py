"""The HTTP API construct: routes, authorization, throttling, access logs."""

import json
from collections.abc import Iterator, Mapping

from aws_cdk import ArnFormat, Stack
from aws_cdk import aws_apigatewayv2 as apigateway
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.authorization import CALLER, Authorization
from infra.function import Function
from infra.logs import log_group
from infra.stages import Stage
from tidemill.projects import Project
from tidemill.serving import routes

# https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-logging-variables.html
ACCESS_LOG = {
    "request_id": "$context.requestId",
    "at": "$context.requestTime",
    "route": "$context.routeKey",
    "status": "$context.status",
    "address": "$context.identity.sourceIp",
    "latency_ms": "$context.responseLatency",
    "integration_error": "$context.integrationErrorMessage",
}
# An HTTP API waits for its integration for 30 s at most.
TIMEOUT_MS = 30_000
_ANY = "{project}"


class HttpApi(Construct):
    """An HTTP API on which every route but `GET /health` asks who calls, as the stage says."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stage: Stage,
        projects: Mapping[str, Project],
        asks: Function | None = None,
    ) -> None:
        """`asks`: the function that judges tokens, on a stage of tokens."""
        super().__init__(scope, construct_id)
        name = f"tidemill-{stage.name}"
        waiting = [project.name for project in projects.values() if project.rollout.approval == "required"]
        if waiting and stage.auth == "token":
            raise ValueError(
                f"stage {stage.name}: {waiting} need a person's approval (rollout.approval), and an API token"
                " names none; take auth `iam` or `jwt`, or leave the approval out"
            )
        self._projects = projects
        self.api = apigateway.CfnApi(self, "Api", name=name, protocol_type="HTTP")
        self._authorization = Authorization(self, "Authorization", stage=stage, api_id=self.api.ref, asks=asks)
        logs = log_group(self, name=f"/aws/vendedlogs/apis/{name}", stage=stage)
        self._limits: dict[str, dict[str, int]] = {}
        self._stage = apigateway.CfnStage(
            self,
            "Stage",
            api_id=self.api.ref,
            stage_name="$default",
            auto_deploy=True,
            default_route_settings=apigateway.CfnStage.RouteSettingsProperty(
                throttling_rate_limit=stage.requests_per_second, throttling_burst_limit=stage.burst
            ),
            access_log_settings=apigateway.CfnStage.AccessLogSettingsProperty(
                destination_arn=_without_wildcard(self, logs.log_group_name),
                format=json.dumps({**ACCESS_LOG, "caller": CALLER[stage.auth]}),
            ),
        )

    @property
    def url(self) -> str:
        """Where the API answers, without a closing slash."""
        return self.api.attr_api_endpoint

    def route(self, *keys: str, scope: Construct, function_arn: str) -> None:
        """Send these routes (`POST /projects/{project}/outcomes`) to a function or an alias. The constructs are
        made in `scope`, which owns the function."""
        integration = apigateway.CfnIntegration(
            scope,
            "Integration",
            api_id=self.api.ref,
            integration_type="AWS_PROXY",
            integration_uri=function_arn,
            payload_format_version="2.0",
            timeout_in_millis=TIMEOUT_MS,
        )
        for key, project in (one for each in keys for one in self._one_by_one(each)):
            route = apigateway.CfnRoute(
                scope,
                "Route" + "".join(part.strip("{}").capitalize() for part in key.replace("/", " ").split()),
                api_id=self.api.ref,
                route_key=key,
                target=f"integrations/{integration.ref}",
                **self._authorization.of(key, project),
            )
            self._limit(route, project)
        lambda_.CfnPermission(
            scope,
            "RoutePermission",
            action="lambda:InvokeFunction",
            function_name=function_arn,
            principal="apigateway.amazonaws.com",
            source_arn=Stack.of(scope).format_arn(
                service="execute-api", resource=self.api.ref, resource_name="*/*"
            ),
        )

    def _one_by_one(self, key: str) -> Iterator[tuple[str, str | None]]:
        """The routes that a key stands for, each with its project if it is of one alone: a project with scopes or
        limits of its own is not among `{project}`. (`predict` has a route for each project in any case.)"""
        if _ANY not in key:
            named = key.split("/")[2:3]
            yield key, named[0] if named and named[0] in self._projects else None
            return
        if not self._authorization.by_project:
            yield key, None
        for name, project in self._projects.items():
            own = self._authorization.by_project or project.serving.requests_per_second is not None
            if own and routes.action_of(key) != "predict":
                yield key.replace(_ANY, name), name

    def _limit(self, route: apigateway.CfnRoute, project: str | None) -> None:
        """Hold the route to the limits of its project, where that has any."""
        serving = self._projects[project].serving if project else None
        if serving is None or serving.requests_per_second is None:
            return
        self._limits[route.route_key] = {
            "ThrottlingRateLimit": serving.requests_per_second,
            "ThrottlingBurstLimit": serving.burst or 2 * serving.requests_per_second,
        }
        self._stage.route_settings = dict(self._limits)
        # API Gateway refuses settings of a route that does not exist yet.
        self._stage.add_resource_dependency(route)


def _without_wildcard(scope: Construct, log_group: str) -> str:
    """The ARN of a log group as API Gateway wants it: CloudFormation's own ends in `:*`."""
    return Stack.of(scope).format_arn(
        service="logs", resource="log-group", resource_name=log_group, arn_format=ArnFormat.COLON_RESOURCE_NAME
    )
