"""Who may call the HTTP API, by the stage's setting `auth`: every route gets what this says, and none is left out.

`iam` and `jwt` are API Gateway's own; for `token` it asks the function `authorize_request`, each time.
"""

from typing import Any

from aws_cdk import ArnFormat, Stack
from aws_cdk import aws_apigatewayv2 as apigateway
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.function import Function
from infra.stages import Stage
from tidemill import token_names
from tidemill.serving import routes

HEADER = "$request.header.Authorization"
CALLER = {
    "iam": "$context.identity.userArn",
    "jwt": "$context.authorizer.claims.sub",
    "token": f"$context.authorizer.{token_names.CONTEXT_CLIENT}",
}
"""What the access log calls the caller.
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-logging-variables.html"""


class Authorization(Construct):
    """The authorizer of an API, if its stage needs one, and what a route says of it."""

    def __init__(
        self, scope: Construct, construct_id: str, *, stage: Stage, api_id: str, asks: Function | None
    ) -> None:
        super().__init__(scope, construct_id)
        self._stage, self._api_id = stage, api_id
        self._authorizer: apigateway.CfnAuthorizer | None = None
        if stage.auth == "jwt":
            self._authorizer = self._jwt()
        elif stage.auth == "token":
            if asks is None:
                raise ValueError(f"stage {stage.name}: auth is token; give the function that is asked in `asks`")
            self._authorizer = self._token(asks)

    @property
    def by_project(self) -> bool:
        """Whether each project needs routes of its own: a route has one list of scopes for all who take it."""
        return self._stage.auth == "jwt" and self._stage.jwt_scopes

    def of(self, route_key: str, project: str | None) -> dict[str, Any]:
        """The properties of that route, of a project's own or of one for all projects. Raises ValueError for a
        route that stands for no action."""
        if route_key == routes.OPEN:
            return {"authorization_type": "NONE"}
        action = routes.action_of(route_key)
        if action is None:
            raise ValueError(f"route {route_key!r} is no action; name it in tidemill/serving/routes.py")
        if self._authorizer is None:
            return {"authorization_type": "AWS_IAM"}
        asked = {"authorizer_id": self._authorizer.ref}
        if self._stage.auth == "token":
            return {"authorization_type": "CUSTOM", **asked}
        if not self.by_project:
            return {"authorization_type": "JWT", **asked}
        if project is None:
            raise ValueError(f"route {route_key!r} is for all projects, but scopes are of one; give it a project")
        return {"authorization_type": "JWT", **asked, "authorization_scopes": [routes.scope(project, action)]}

    def _jwt(self) -> apigateway.CfnAuthorizer:
        return apigateway.CfnAuthorizer(
            self,
            "Jwt",
            api_id=self._api_id,
            authorizer_type="JWT",
            name="jwt",
            identity_source=[HEADER],
            jwt_configuration=apigateway.CfnAuthorizer.JWTConfigurationProperty(
                issuer=self._stage.jwt_issuer, audience=list(self._stage.jwt_audience)
            ),
        )

    def _token(self, asks: Function) -> apigateway.CfnAuthorizer:
        stack = Stack.of(self)
        function = f"2015-03-31/functions/{asks.arn}/invocations"
        authorizer = apigateway.CfnAuthorizer(
            self,
            "Token",
            api_id=self._api_id,
            authorizer_type="REQUEST",
            name="token",
            identity_source=[HEADER],
            authorizer_uri=stack.format_arn(
                service="apigateway", account="lambda", resource="path", resource_name=function
            ),
            authorizer_payload_format_version="2.0",
            enable_simple_responses=True,
            # A kept answer would hold for all routes that the same token asks for, and after it was revoked.
            authorizer_result_ttl_in_seconds=0,
        )
        lambda_.CfnPermission(
            self,
            "TokenPermission",
            action="lambda:InvokeFunction",
            function_name=asks.arn,
            principal="apigateway.amazonaws.com",
            source_arn=stack.format_arn(
                service="execute-api",
                resource=self._api_id,
                resource_name=f"authorizers/{authorizer.ref}",
                arn_format=ArnFormat.SLASH_RESOURCE_NAME,
            ),
        )
        return authorizer
