"""Step Functions runs the jobs: `.sync` waits, gives what Describe answers, fails with the job, stops it."""

import json

import pytest

ERROR = {"error": "{% $states.errorOutput.Error %}", "cause": "{% $states.errorOutput.Cause %}"}


@pytest.fixture
def machine_role(client, unique):
    """ARN of a state machine's role, and a function that grants it something."""
    trust = {"Effect": "Allow", "Principal": {"Service": "states.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    name = f"{unique}-machine"
    arn = client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]["Arn"]

    def allow(*statements):
        allowed = [{"Effect": "Allow", **statement} for statement in statements]
        document = json.dumps({"Version": "2012-10-17", "Statement": allowed})
        client("iam").put_role_policy(RoleName=name, PolicyName="grants", PolicyDocument=document)

    return arn, allow


@pytest.fixture
def start(client, machine_role, unique):
    """Start an execution of one task with these arguments: its ARN."""
    states = client("stepfunctions")
    made = []

    def execution(resource, arguments, **task):
        state = {"Type": "Task", "Resource": f"arn:aws:states:::sagemaker:{resource}", "Arguments": arguments,
                 "End": True, **task}  # fmt: skip
        definition = {
            "QueryLanguage": "JSONata",
            "StartAt": "Do",
            "States": {"Do": state, "Caught": {"Type": "Succeed"}},
        }
        made.append(
            states.create_state_machine(
                name=f"{unique}-{len(made)}", definition=json.dumps(definition), roleArn=machine_role[0]
            )["stateMachineArn"]
        )
        return states.start_execution(stateMachineArn=made[-1])["executionArn"]

    return execution


@pytest.fixture
def result(client, eventually):
    def wait(execution):
        def done():
            described = client("stepfunctions").describe_execution(executionArn=execution)
            return described["status"] != "RUNNING" and described

        return eventually(done, seconds=60)

    return wait


def test_sync_gives_what_describe_answers(start, result, request_of, unique):
    ended = result(start("createTrainingJob.sync", request_of({"depth": "3"})))
    assert ended["status"] == "SUCCEEDED", ended
    output = json.loads(ended["output"])
    assert (output["TrainingJobName"], output["TrainingJobStatus"]) == (unique, "Completed")
    assert output["ModelArtifacts"]["S3ModelArtifacts"].endswith("/output/model.tar.gz")
    assert isinstance(output["TrainingEndTime"], int)
    assert output["TrainingEndTime"] > 10**12, "milliseconds"
    assert isinstance(output["TrainingTimeInSeconds"], int)
    assert output["TrainingTimeInSeconds"] < 60


def test_without_sync_the_task_does_not_wait(client, start, result, request_of, ended, unique):
    done = result(start("createTrainingJob", request_of({"sleep": "1"})))
    assert json.loads(done["output"])["TrainingJobArn"].endswith(f"training-job/{unique}")
    client("sagemaker").stop_training_job(TrainingJobName=unique)
    ended(unique)


def test_a_failed_job_fails_the_task_with_its_description(start, result, request_of):
    caught = {"Catch": [{"ErrorEquals": ["States.TaskFailed"], "Output": ERROR, "Next": "Caught"}]}
    ended = result(start("createTrainingJob.sync", request_of({"fail": "no column"}), **caught))
    output = json.loads(ended["output"])
    assert output["error"] == "States.TaskFailed"
    assert "no column" in json.loads(output["cause"])["FailureReason"]


def test_a_refused_request_fails_the_task(start, result, request_of, run):
    bad = result(start("createTrainingJob.sync", request_of(TrainingJobName="-")))
    assert bad["error"] == "SageMaker.AmazonSageMakerException"
    run(request_of())
    taken = result(start("createTrainingJob.sync", request_of()))
    assert taken["error"] == "SageMaker.ResourceInUseException"


def test_an_execution_that_is_stopped_stops_its_job(client, start, request_of, trains, ended, unique):
    execution = start("createTrainingJob.sync", request_of({"sleep": "1"}))
    assert trains(unique)
    client("stepfunctions").stop_execution(executionArn=execution)
    assert ended(unique)["TrainingJobStatus"] == "Stopped"


def test_a_task_whose_time_is_out_stops_its_job(start, result, request_of, ended, unique):
    failed = result(start("createTrainingJob.sync", request_of({"sleep": "1"}), TimeoutSeconds=1))
    assert failed["error"] == "States.Timeout"
    assert ended(unique)["TrainingJobStatus"] == "Stopped"


def test_a_tuning_job_is_run_to_its_end(start, result, request_of, unique):
    definition = request_of()
    for member in ("TrainingJobName", "HyperParameters", "CheckpointConfig"):
        del definition[member]
    metric = {"Name": "loss", "Regex": "loss=([0-9.]+);"}
    definition["AlgorithmSpecification"]["MetricDefinitions"] = [metric]
    ended = result(
        start(
            "createHyperParameterTuningJob.sync",
            {
                "HyperParameterTuningJobName": unique,
                "HyperParameterTuningJobConfig": {
                    "Strategy": "Random",
                    "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "loss"},
                    "ResourceLimits": {"MaxNumberOfTrainingJobs": 2, "MaxParallelTrainingJobs": 2},
                    "ParameterRanges": {
                        "ContinuousParameterRanges": [{"Name": "x", "MinValue": "0", "MaxValue": "1"}]
                    },
                },
                "TrainingJobDefinition": definition,
            },
        )
    )
    assert ended["status"] == "SUCCEEDED", ended
    output = json.loads(ended["output"])
    assert output["TrainingJobStatusCounters"]["Completed"] == 2
    assert output["BestTrainingJob"]["FinalHyperParameterTuningJobObjectiveMetric"]["Value"] > 0


def test_the_machines_role_needs_each_of_its_rights(
    enforced, start, result, request_of, machine_role, role, unique
):
    arn = f"arn:aws:sagemaker:us-east-1:000000000000:training-job/{unique}-*"
    actions = [f"sagemaker:{verb}TrainingJob" for verb in ("Create", "Describe", "Stop")]
    jobs = {"Action": actions, "Resource": arn}
    passing = {
        "Action": "iam:PassRole",
        "Resource": role,
        "Condition": {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}},
    }
    elsewhere = {**passing, "Condition": {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}}}

    def attempt(number):
        return result(start("createTrainingJob.sync", request_of(TrainingJobName=f"{unique}-{number}")))

    machine_role[1](passing)
    assert "sagemaker:CreateTrainingJob" in attempt(1)["cause"]
    machine_role[1](jobs)
    assert "iam:PassRole" in attempt(2)["cause"]
    machine_role[1](jobs, elsewhere)
    assert "iam:PassRole" in attempt(3)["cause"]
    machine_role[1](jobs, passing)
    assert attempt(4)["status"] == "SUCCEEDED"
