"""What the rule sets of others say of the templates: cdk-nag and cfn-lint have nothing to say."""

from cfnlint.api import lint
from cfnlint.config import ManualArgs


def test_neither_pack_of_cdk_nag_finds_a_violation_that_is_not_answered(any_stage) -> None:
    assert any_stage.violations == []


def test_cfn_lint_finds_nothing(any_stage) -> None:
    for template in any_stage.folder.glob("*.template.json"):
        # W3005: CDK writes DependsOn beside a reference that says the same.
        options = ManualArgs(ignore_checks=["W3005"], regions=["us-east-1"])
        found = lint(template.read_text(), config=options)
        assert [f"{match.rule.id} {match.message} {match.path}" for match in found] == []
