"""`AWS::CloudWatch::CompositeAlarm` in templates: MiniStack has the alarms, but not the resource type.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-cloudwatch-compositealarm.html
"""

from typing import Any

from ministack.services import cloudwatch
from ministack.services.cloudformation import provisioners

TYPE = "AWS::CloudWatch::CompositeAlarm"
Properties = dict[str, Any]
Resource = tuple[str, dict[str, str]]


def put(name: str, properties: Properties) -> Resource:
    """Create or update the alarm of that name. Raises ValueError, as provisioners do, when it is refused."""
    request = {
        **properties,
        "AlarmName": name,
        "ActionsEnabled": str(properties.get("ActionsEnabled", True)) != "false",
    }
    status, _, body = cloudwatch._put_composite_alarm({}, request, False, True)
    if status >= 400:
        raise ValueError(f"{TYPE}: {body.decode()}")
    return name, {"Arn": cloudwatch._composite_alarms[name]["AlarmArn"]}


def create(logical_id: str, properties: Properties, stack: str) -> Resource:
    return put(
        properties.get("AlarmName") or provisioners._physical_name(stack, logical_id, max_len=255), properties
    )


def update(physical_id: str, old: Properties, new: Properties, stack: str) -> Resource:
    """In place; a new name is a new alarm."""
    created = put(new.get("AlarmName") or physical_id, new)
    if created[0] != physical_id:
        delete(physical_id, old)
    return created


def delete(physical_id: str, properties: Properties) -> None:
    cloudwatch._delete_alarms({}, {"AlarmNames": [physical_id]}, False, True)


def install() -> None:
    provisioners._RESOURCE_HANDLERS[TYPE] = {"create": create, "update": update, "delete": delete}
