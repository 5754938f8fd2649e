"""The role of a job: that it may be assumed by SageMaker, and credentials that act with it."""

import hashlib
import json
import os
from typing import Any

from ministack import app
from ministack.core import iam_evaluator
from ministack.core.responses import get_account_id
from ministack.services import iam, sts

from local.extensions.sagemaker.shapes import Refused

SERVICE = "sagemaker.amazonaws.com"

Record = dict[str, Any]


def demand_assumable(arn: str) -> None:
    """With IAM enforced, raises Refused unless the role exists and lets SageMaker assume it."""
    if not app.AUTH:
        return
    role = iam._roles.get(arn.rpartition("/")[2])
    trust = role.get("AssumeRolePolicyDocument") if role else None
    document = json.loads(trust) if isinstance(trust, str) else trust
    if not document or not any(trusts(statement) for statement in listed(document.get("Statement"))):
        raise Refused(
            "ValidationException",
            f"Could not assume role {arn}. Please ensure that the role exists and allows principal "
            f"'{SERVICE}' to assume the role.",
        )


def trusts(statement: Record) -> bool:
    principal = statement.get("Principal")
    services = listed(principal.get("Service")) if isinstance(principal, dict) else []
    return statement.get("Effect") == "Allow" and SERVICE in services


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def credentials(record: Record) -> dict[str, str]:
    """Environment variables with credentials of the job's role, or of the account while IAM is not enforced."""
    account = get_account_id()
    if not app.AUTH:
        return {
            "AWS_ACCESS_KEY_ID": account,
            "AWS_SECRET_ACCESS_KEY": os.environ.get("AWS_SECRET_ACCESS_KEY", "test"),
            "AWS_SESSION_TOKEN": "",
        }
    role = record["RoleArn"].rpartition("/")[2]
    digest = hashlib.sha256(f"{record['TrainingJobArn']}:{role}".encode()).hexdigest()
    key, secret, token = f"ASIA{digest[:16].upper()}", digest, f"token-{digest}"
    sts.register_session(
        key,
        {
            "Arn": f"arn:aws:sts::{account}:assumed-role/{role}/SageMaker",
            "UserId": f"{role}:SageMaker",
            "SecretAccessKey": secret,
            "SessionToken": token,
        },
    )
    return {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret, "AWS_SESSION_TOKEN": token}


def may_pass(caller: str, role: str) -> bool:
    """Whether the role `caller` may pass `role` to SageMaker."""
    if not app.AUTH:
        return True
    name, account = caller.rpartition("/")[2], get_account_id()
    context = iam_evaluator.EvalContext(
        principal_arn=f"arn:aws:sts::{account}:assumed-role/{name}/service",
        principal_type="AssumedRole",
        principal_account=account,
        action="iam:PassRole",
        resource_arn=role,
        region="",
        service_context={"iam:passedtoservice": SERVICE},
    )
    policies = iam_evaluator._gather_role_policies(name, account)
    boundary = iam_evaluator._permissions_boundary(iam._roles, name, account)
    return bool(iam_evaluator.evaluate(context, policies, *boundary).decision == "Allow")
