"""https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html"""

import json


def test_the_endpoint_resolves_and_the_function_sees_the_plain_path(cloud, http_api, function, signed_request):
    endpoint = http_api(function())
    assert endpoint.startswith(f"{cloud.endpoint}/_aws/execute-api/")
    status, body = signed_request("GET", f"{endpoint}/answer?a=b%20c")
    assert status == 200
    assert (body["event"]["version"], body["event"]["rawPath"]) == ("2.0", "/answer")
    assert body["event"]["queryStringParameters"] == {"a": "b c"}


def test_a_failing_function_answers_500_and_tells_nothing(http_api, function, signed_request):
    endpoint = http_api(function("def handler(event, context):\n    raise ValueError('secret')\n"))
    assert signed_request("GET", f"{endpoint}/answer") == (500, {"message": "Internal Server Error"})


def test_a_route_with_iam_authorization_needs_a_signature(http_api, function, signed_request):
    endpoint = http_api(function(), authorization="AWS_IAM")
    assert signed_request("GET", f"{endpoint}/answer", key=None) == (403, {"message": "Forbidden"})
    assert signed_request("GET", f"{endpoint}/answer")[0] == 200


def test_with_iam_enforced_the_policy_of_the_caller_decides(
    client, cloud, enforced, http_api, function, signed_request, unique
):
    name = function()
    endpoint = http_api(name, authorization="AWS_IAM")
    client("lambda").add_permission(
        FunctionName=name, StatementId="s", Action="lambda:InvokeFunction", Principal="apigateway.amazonaws.com"
    )
    iam = client("iam")
    iam.create_user(UserName=unique)
    key = iam.create_access_key(UserName=unique)["AccessKey"]
    caller = {"key": key["AccessKeyId"], "secret": key["SecretAccessKey"]}
    assert signed_request("GET", f"{endpoint}/answer", **caller)[0] == 403
    resource = f"arn:aws:execute-api:us-east-1:000000000000:{endpoint.rsplit('/', 1)[1]}/$default/GET/answer"
    statement = {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": resource}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_user_policy(UserName=unique, PolicyName="call", PolicyDocument=document)
    assert signed_request("GET", f"{endpoint}/answer", **caller)[0] == 200
    assert signed_request("GET", f"{endpoint}/answer", **(caller | {"secret": "wrong"}))[0] == 403
