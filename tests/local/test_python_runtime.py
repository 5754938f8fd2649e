"""https://docs.aws.amazon.com/lambda/latest/dg/python-exceptions.html"""

import json
import textwrap

import pytest


def handler(body, head=""):
    return f"{head}\ndef handler(event, context):\n{textwrap.indent(textwrap.dedent(body).strip(), '    ')}\n"


def test_the_error_type_is_the_class_of_the_exception(client, function):
    name = function(
        "class TableBusy(Exception): ...\ndef handler(event, context):\n    raise TableBusy('taken by 7')\n"
    )
    answer = client("lambda").invoke(FunctionName=name, Payload=b"{}")
    report = json.loads(answer["Payload"].read())
    assert answer["FunctionError"] == "Unhandled"
    assert (report["errorType"], report["errorMessage"]) == ("TableBusy", "taken by 7")
    assert report["requestId"]
    assert len(report["stackTrace"]) == 1
    assert 'index.py", line 3, in handler' in report["stackTrace"][0]


@pytest.mark.parametrize(
    ("source", "settings", "kind", "message"),
    [
        ("import no_such_module\n", {}, "Runtime.ImportModuleError", "Unable to import module 'index': No module"),
        ("def handler(:\n", {}, "Runtime.UserCodeSyntaxError", "Syntax error in module 'index'"),
        ("x = 1\n", {}, "Runtime.HandlerNotFound", "Handler 'handler' missing on module 'index'"),
        ("x = 1\n", {"Handler": "index"}, "Runtime.MalformedHandlerName", "Bad handler 'index'"),
        ("import os\nos.environ['NO_SUCH']\n", {}, "KeyError", "NO_SUCH"),
        ("import os\ndef handler(e, c): os._exit(3)\n", {}, "Runtime.ExitError", "exit status 3"),
        ("def handler(e, c): return {1, 2}\n", {}, "Runtime.MarshalError", "Unable to marshal response"),
        (
            "import time\ndef handler(e, c): time.sleep(30)\n",
            {"Timeout": 1},
            "Sandbox.Timedout",
            "after 1.00 seconds",
        ),
        ("def handler(e, c): return 'x' * 7_000_000\n", {}, "Function.ResponseSizeTooLarge", "6291556"),
    ],
)
def test_what_else_goes_wrong_is_named_as_on_lambda(function, invoke, source, settings, kind, message):
    report = invoke(function(source, **settings))
    assert report["errorType"] == kind
    assert message in report["errorMessage"]


def test_a_state_machine_catches_the_exception_by_its_class_name(client, function, unique, eventually):
    name = function(
        "class UploadRejected(Exception): ...\ndef handler(event, context): raise UploadRejected('empty')\n"
    )
    states = client("stepfunctions")
    call = {
        "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Arguments": {"FunctionName": name},
        "Catch": [
            {"ErrorEquals": ["UploadRejected"], "Output": "{% $parse($states.errorOutput.Cause) %}", "Next": "Out"}
        ],
        "End": True,
    }  # fmt: skip
    definition = {
        "QueryLanguage": "JSONata",
        "StartAt": "Call",
        "States": {"Call": call, "Out": {"Type": "Succeed"}},
    }
    machine = states.create_state_machine(
        name=unique, definition=json.dumps(definition), roleArn="arn:aws:iam::000000000000:role/machine"
    )["stateMachineArn"]
    execution = states.start_execution(stateMachineArn=machine)["executionArn"]

    def output():
        described = states.describe_execution(executionArn=execution)
        return described["status"] != "RUNNING" and json.loads(described.get("output", "null"))

    assert eventually(output)["errorMessage"] == "empty"


def test_the_environment_outlives_an_exception(function, invoke):
    name = function(
        handler("global calls; calls += 1\nif event: raise ValueError('asked')\nreturn calls", head="calls = 0")
    )
    assert invoke(name) == 1
    assert invoke(name, "fail")["errorType"] == "ValueError"
    assert invoke(name) == 3


def test_a_new_environment_follows_an_exit(function, invoke):
    name = function(handler("global n; n += 1\nif event: os._exit(1)\nreturn n", head="import os\nn = 0"))
    assert invoke(name) == 1
    assert invoke(name, "end")["errorType"] == "Runtime.ExitError"
    assert invoke(name) == 1


def test_the_log_of_an_invocation_is_complete_and_holds_the_error(function, invoke, messages):
    name = function(
        handler("for i in range(500): print('line', i)\nprint('no newline', end='')\nraise ValueError('no')")
    )
    invoke(name)
    log = messages(f"/aws/lambda/{name}")
    assert log[0].startswith("START RequestId: ")
    assert log[1:501] == [f"line {i}" for i in range(500)]
    assert log[501] == "no newline[ERROR] ValueError: no"
    assert any("raise ValueError" in line for line in log)
    assert log[-1].startswith("REPORT RequestId: ")


def test_one_log_stream_per_environment(client, function, invoke):
    name = function(handler("return context.log_stream_name"))
    streams = {invoke(name) for _ in range(3)}
    found = client("logs").describe_log_streams(logGroupName=f"/aws/lambda/{name}")["logStreams"]
    assert {stream["logStreamName"] for stream in found} == streams
    assert len(streams) == 1


def test_the_environment_is_the_functions_and_not_the_servers(function, invoke, cloud, monkeypatch):
    variables = invoke(function(handler("return dict(os.environ)", head="import os"), MemorySize=512))
    assert variables["AWS_EXECUTION_ENV"] == "AWS_Lambda_python3.13"
    assert variables["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "512"
    assert variables["AWS_ENDPOINT_URL"] == cloud.endpoint
    assert variables["TMPDIR"].startswith(str(cloud.state_dir))
    assert not {"PERSIST_STATE", "S3_DATA_DIR", "HOME", "PYTHONPATH", "VIRTUAL_ENV"} & set(variables)


def test_code_comes_before_layers_and_a_later_layer_before_an_earlier_one(
    client, function, invoke, archive, unique
):
    def layer(number, files):
        return client("lambda").publish_layer_version(
            LayerName=f"{unique}-{number}", Content={"ZipFile": archive(files)}
        )["LayerVersionArn"]

    layers = [
        layer(1, {"python/one.py": "name = 'first layer'", "python/two.py": "name = 'first layer'"}),
        layer(
            2, {"python/two.py": "name = 'second layer'", "python/index.py": "raise RuntimeError('the layer won')"}
        ),
    ]
    source = handler("return [one.name, two.name]", head="import one, two")
    assert invoke(function(source, Layers=layers)) == ["first layer", "second layer"]


def test_the_checkout_is_not_importable(function, invoke):
    for module in ("tidemill", "local.cloud", "infra"):
        report = invoke(function(handler("return 1", head=f"import {module}")))
        assert report["errorType"] == "Runtime.ImportModuleError"


def test_the_context(function, invoke):
    name = function(
        handler(
            "return [context.function_name, context.memory_limit_in_mb, context.get_remaining_time_in_millis()]"
        )
    )
    found, memory, left = invoke(name)
    assert (found, memory) == (name, "128")
    assert 10_000 < left <= 20_000


def test_decimals_of_a_table_are_returned_as_numbers(function, invoke):
    name = function(handler("return {'n': decimal.Decimal('1.5')}", head="import decimal"))
    assert invoke(name) == {"n": 1.5}
