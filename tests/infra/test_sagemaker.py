"""What a stage may do with SageMaker: the role of its jobs, who may start them, and the image they run."""

import ast
import importlib
import json
import re
import subprocess
import sys
from dataclasses import replace
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest

from infra import training
from infra.sagemaker import pulls
from infra.stages import DEV
from tidemill import env_names
from tidemill.training.choose_compute import LAMBDA_MB, LAMBDA_SECONDS

ROOT = Path(__file__).resolve().parents[2]
ECR = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/team/tidemill"


def role_of(template: Any, of_kind: Any) -> dict[str, Any]:
    """The role that SageMaker assumes."""
    (found,) = (
        role
        for role in of_kind(template, "AWS::IAM::Role").values()
        if "sagemaker" in json.dumps(role["AssumeRolePolicyDocument"])
    )
    return found


def test_the_jobs_role_is_sagemakers_and_reaches_runs_studies_and_the_table_alone(
    any_stage: Any, of_kind: Any
) -> None:
    role = role_of(any_stage.platform, of_kind)
    principals = [each["Principal"] for each in role["AssumeRolePolicyDocument"]["Statement"]]
    assert principals == [{"Service": "sagemaker.amazonaws.com"}]
    text = json.dumps(role["Policies"])
    assert "/runs/*" in text
    assert "/studies/*" in text
    assert not [prefix for prefix in ("/models/", "/incoming/", "/datasets/", "/objects/") if prefix in text]
    assert "Delete" not in text


def test_the_training_machine_alone_starts_jobs_and_passes_that_role_to_sagemaker_alone(
    any_stage: Any, of_kind: Any
) -> None:
    starting = {}
    for name, role in of_kind(any_stage.platform, "AWS::IAM::Role").items():
        for policy in role.get("Policies", []):
            for statement in policy["PolicyDocument"]["Statement"]:
                if "iam:PassRole" in json.dumps(statement["Action"]):
                    starting[name] = statement
    ((name, statement),) = starting.items()
    assert "TrainingMachine" in name
    assert statement["Condition"] == {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}
    assert "TrainingJobsRole" in json.dumps(statement["Resource"])


def test_the_embedded_cloud_runs_the_program_out_of_the_core_layer(any_stage: Any, of_kind: Any) -> None:
    functions = of_kind(any_stage.platform, "AWS::Lambda::Function").values()
    variables = [function.get("Environment", {}).get("Variables", {}) for function in functions]
    images = [each[env_names.ENV_TRAINING_IMAGE] for each in variables if env_names.ENV_TRAINING_IMAGE in each]
    if any_stage.stage == "local":
        assert len(images) == 1
        assert "tidemill.jobs.train@" in json.dumps(images)
    else:
        assert images == []  # until somebody gives one


def test_the_choice_knows_what_the_functions_that_fit_have() -> None:
    fitting = [work for work in training.FUNCTIONS if work.name in ("run_trial", "fit_final")]
    assert {(work.memory, work.seconds) for work in fitting} == {(LAMBDA_MB, LAMBDA_SECONDS)}


def test_the_image_has_every_package_that_its_program_imports_in_the_layers_versions() -> None:
    image = locked(ROOT / "containers" / "training" / "requirements.txt")
    for layer in ("core", "numeric", "ml", "export"):
        assert locked(ROOT / "layers" / layer / "requirements.txt").items() <= image.items(), layer
    whose = packages_distributions()
    asked = {name for module in imported_by_its_program() for name in whose.get(module, ())} - {"tidemill"}
    wanted = {name.lower().replace("_", "-") for name in asked}
    assert {"boto3", "botocore", "scikit-learn", "aws-lambda-powertools"} <= wanted
    assert wanted <= set(image), wanted - set(image)


def imported_by_its_program() -> set[str]:
    """The packages that the modules of `tidemill` name which the jobs' program loads."""
    code = "import sys, tidemill.jobs.train; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    ours = (name for name in done.stdout.split() if name.split(".")[0] == "tidemill")
    files = (Path(str(importlib.import_module(name).__file__)) for name in ours)
    found = set()
    for node in (each for file in files for each in ast.walk(ast.parse(file.read_text()))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


def locked(lock: Path) -> dict[str, str]:
    """The version of each package of a lock."""
    return dict(re.findall(r"^([a-z0-9._-]+)==([^ ;]+)", lock.read_text(), re.MULTILINE))


@pytest.mark.parametrize("ending", [":1.2", "@sha256:" + "0" * 64])
def test_an_image_in_ecr_may_be_pulled_and_no_other(ending: str) -> None:
    token, pull = pulls(replace(DEV, training_image=ECR + ending))
    assert token.actions == ("ecr:GetAuthorizationToken",)
    (resource,) = pull.resources
    assert resource.endswith(":ecr:eu-central-1:123456789012:repository/team/tidemill")


def test_another_registry_needs_no_grant() -> None:
    assert pulls(replace(DEV, training_image="registry.example.org/tidemill:1")) == ()
    assert pulls(DEV) == ()
