"""The HTTP API construct: routes, authorization, throttling, access logs."""

import json

from aws_cdk import ArnFormat, Stack
from aws_cdk import aws_apigatewayv2 as apigateway
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.logs import log_group
from infra.stages import Stage

# https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-logging-variables.html
ACCESS_LOG = {
    "request_id": "$context.requestId",
    "at": "$context.requestTime",
    "route": "$context.routeKey",
    "status": "$context.status",
    "caller": "$context.identity.userArn",
    "address": "$context.identity.sourceIp",
    "latency_ms": "$context.responseLatency",
    "integration_error": "$context.integrationErrorMessage",
}
# An HTTP API waits for its integration for 30 s at most.
TIMEOUT_MS = 30_000


class HttpApi(Construct):
    """An HTTP API on which every route asks for SigV4, unless `route` is told otherwise."""

    def __init__(self, scope: Construct, construct_id: str, *, stage: Stage) -> None:
        super().__init__(scope, construct_id)
        name = f"tidemill-{stage.name}"
        self.api = apigateway.CfnApi(self, "Api", name=name, protocol_type="HTTP")
        logs = log_group(self, name=f"/aws/vendedlogs/apis/{name}", stage=stage)
        apigateway.CfnStage(
            self,
            "Stage",
            api_id=self.api.ref,
            stage_name="$default",
            auto_deploy=True,
            default_route_settings=apigateway.CfnStage.RouteSettingsProperty(
                throttling_rate_limit=stage.requests_per_second, throttling_burst_limit=stage.burst
            ),
            access_log_settings=apigateway.CfnStage.AccessLogSettingsProperty(
                destination_arn=_without_wildcard(self, logs.log_group_name), format=json.dumps(ACCESS_LOG)
            ),
        )

    @property
    def url(self) -> str:
        """Where the API answers, without a closing slash."""
        return self.api.attr_api_endpoint

    def route(self, *keys: str, scope: Construct, function_arn: str, public: tuple[str, ...] = ()) -> None:
        """Send these routes (`POST /projects/{project}/outcomes`) to a function or an alias; `public` ones are not
        authorized. The constructs are made in `scope`, which owns the function."""
        integration = apigateway.CfnIntegration(
            scope,
            "Integration",
            api_id=self.api.ref,
            integration_type="AWS_PROXY",
            integration_uri=function_arn,
            payload_format_version="2.0",
            timeout_in_millis=TIMEOUT_MS,
        )
        for key in (*keys, *public):
            apigateway.CfnRoute(
                scope,
                "Route" + "".join(part.strip("{}").capitalize() for part in key.replace("/", " ").split()),
                api_id=self.api.ref,
                route_key=key,
                authorization_type="NONE" if key in public else "AWS_IAM",
                target=f"integrations/{integration.ref}",
            )
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


def _without_wildcard(scope: Construct, log_group: str) -> str:
    """The ARN of a log group as API Gateway wants it: CloudFormation's own ends in `:*`."""
    return Stack.of(scope).format_arn(
        service="logs", resource="log-group", resource_name=log_group, arn_format=ArnFormat.COLON_RESOURCE_NAME
    )
