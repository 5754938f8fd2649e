"""Weighted aliases: an invocation through an alias with `RoutingConfig` runs one of its two versions, drawn by
weight.

MiniStack stores `RoutingConfig.AdditionalVersionWeights` but always runs the alias's own version. Here each
invocation through the alias, by whatever service, draws a version
(https://docs.aws.amazon.com/lambda/latest/dg/configuring-alias-routing.html); the version that ran is the one
in `X-Amz-Executed-Version`, in the function's context and in its log, while the invoked ARN stays the alias's.
Reading the configuration of an alias still shows its own version.
"""

import random
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any

from ministack.services import lambda_svc

Record = dict[str, Any]
Found = tuple[Record | None, Record | None, str]

# Function and alias named by the Invoke request that is being handled.
invoked: ContextVar[tuple[str, str] | None] = ContextVar("invoked", default=None)


def draw(alias: Record, rng: random.Random) -> str:
    """The version to run: each additional version with its weight, else the alias's own."""
    weights: dict[str, float] = (alias.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {}
    point = rng.random()
    for version, weight in weights.items():
        if point < weight:
            return version
        point -= weight
    own: str = alias["FunctionVersion"]
    return own


def alias_named(function: Record | None, qualifier: str | None) -> Record | None:
    """The alias that the qualifier names, if it names one."""
    aliases: dict[str | None, Record] = (function or {}).get("aliases") or {}
    return aliases.get(qualifier)


def named_as(config: Record, alias: str) -> Record:
    """A version's configuration whose ARN is the alias's: what the function sees as the invoked ARN."""
    function_arn = ":".join(config["FunctionArn"].split(":")[:7])
    return {**config, "FunctionArn": f"{function_arn}:{alias}"}


def install(*, rng: random.Random) -> None:
    """Make every invocation through an alias draw its version from `rng`."""
    install_lookup(rng)
    install_invoke(rng)


def install_lookup(rng: random.Random) -> None:
    """For services that look the function up by ARN and run what they find."""
    find: Callable[[str], Found] = lambda_svc._get_func_record_for_ref

    def find_drawn(reference: str) -> Found:
        function, _, name = lambda_svc._get_base_func_record_for_ref(reference)
        alias = alias_named(function, lambda_svc._resolve_name_and_qualifier(reference)[1])
        if function is None or alias is None:
            return find(reference)
        version = draw(alias, rng)
        record = function if version == "$LATEST" else function["versions"].get(version)
        return (record, named_as(record["config"], alias["Name"]), name) if record else (None, None, name)

    lambda_svc._get_func_record_for_ref = find_drawn


def install_invoke(rng: random.Random) -> None:
    """For the Invoke API: hand it the drawn version, and let the function see the alias it was invoked by."""
    invoke: Callable[..., Awaitable[Any]] = lambda_svc._invoke
    run_now: Callable[..., Record] = lambda_svc._execute_function_with_config_scope
    run_later: Callable[..., None] = lambda_svc.invoke_async_with_retry

    async def invoke_drawn(
        name: str,
        event: Any,
        headers: Record,
        path_qualifier: str | None = None,
        query_params: Record | None = None,
    ) -> Any:
        qualifier = path_qualifier or lambda_svc._qp_first(query_params or {}, "Qualifier") or None
        alias = alias_named(lambda_svc._functions.get(name), qualifier)
        if alias is None:
            return await invoke(name, event, headers, path_qualifier, query_params)
        token = invoked.set((name, alias["Name"]))
        try:
            return await invoke(name, event, headers, draw(alias, rng), query_params)
        finally:
            invoked.reset(token)

    def seen(record: Record) -> Record:
        config = record.get("config") or record
        function, alias = invoked.get() or (None, "")
        return {**record, "config": named_as(config, alias)} if config.get("FunctionName") == function else record

    lambda_svc._invoke = invoke_drawn
    lambda_svc._execute_function_with_config_scope = lambda record, event: run_now(seen(record), event)
    lambda_svc.invoke_async_with_retry = lambda record, event: run_later(seen(record), event)
