"""Where captures and outcomes come from, and where what cannot be taken of them is kept. Whoever takes them in,
and the command line, have the keys from here."""

from tidemill import names

NO_PROJECT = "_"
"""In the place of a project's name: no project can be called so."""


def project_of_logs(stage: str, log_group: str) -> str:
    """The project whose endpoint logs there; NO_PROJECT if none does."""
    before, after = names.endpoint_function(stage, "\0").split("\0")
    project = log_group.removeprefix(f"/aws/lambda/{before}").removesuffix(after)
    whole = (
        project and "/" not in project and log_group == f"/aws/lambda/{names.endpoint_function(stage, project)}"
    )
    return project if whole else NO_PROJECT


def quarantined_capture(project: str) -> str:
    """Folder of capture lines that are not as the contract says, as they came."""
    return f"{names.QUARANTINE}{project}/capture/"


def incoming_outcomes(project: str, file: str = "") -> str:
    """Where files of outcomes are uploaded."""
    return f"{names.INCOMING_OUTCOMES}{project}/{file}"


def outcome_upload(project: str, upload_id: str) -> str:
    """What became of a file of outcomes."""
    return f"outcomes/{project}/uploads/{upload_id}.json"


def outcome_part(project: str, day: str, upload_id: str, part: int) -> str:
    """The outcomes of a part of a file, under the day on which it was uploaded."""
    return f"{names.outcomes(project, day)}upload-{upload_id}-{part:05d}.jsonl.gz"


def refused_outcomes(project: str, upload_id: str, part: int) -> str:
    """The lines of a part of a file that are no outcomes, with their reasons."""
    return f"{names.QUARANTINE}{project}/outcomes/{upload_id}/{part:05d}.jsonl"
