"""Every name that two places must agree on: S3 keys, table keys, metrics, SSM parameters. The environment's are in
`env_names.py`, those of API tokens in `token_names.py`.

Functions, infrastructure, the CLI and the tests take names from there; none spells one itself.
"""

# --- metrics ---------------------------------------------------------------------------------------------------
METRIC_NAMESPACE = "Tidemill"
METRIC_DRIFT_DETECTED = "DriftDetected"  # 1 when a closed window drifted, else 0; dimensions: project
METRIC_DRIFTED_FEATURES = "DriftedFeatures"
METRIC_WINDOW_ROWS = "WindowRows"
METRIC_PREDICTIONS = "Predictions"
METRIC_REQUEST_ERRORS = "RequestErrors"
METRIC_ANSWER_FAULTS = "AnswerFaults"  # answers of 500 and above; dimensions: stage, project, variant
METRIC_ARTIFACTS_REFUSED = "ArtifactsRefused"  # model files that are not the registered ones; stage, project
METRIC_QUARANTINED = "QuarantinedUploads"
METRIC_IGNORED = "IgnoredUploads"  # objects under incoming/ that belong to no project
METRIC_OUTCOMES_REFUSED = "RefusedOutcomes"  # lines of uploaded files that are no outcomes
METRIC_FAILED = "FailedUploads"  # uploads that Tidemill itself failed to take in
DIMENSION_PROJECT, DIMENSION_VARIANT, DIMENSION_STAGE = "project", "variant", "stage"

# --- log lines that a subscription picks up --------------------------------------------------------------------
CAPTURE_TERM = "TIDEMILL_CAPTURE"

LIVE_ALIAS = "live"
SHADOW = "shadow"  # the field around the body of a direct invocation that is neither captured nor counted
CONTEXT_WAIT = "wait_seconds"  # what the authorizer tells the function behind it of a client above its limit

# --- what an uploader may note with an object (user metadata, percent-encoded) ----------------------------------
META_AUTHOR = "author"
META_REASON = "reason"


# --- S3 keys ---------------------------------------------------------------------------------------------------
INCOMING = "incoming/"
INCOMING_OUTCOMES = "incoming-outcomes/"  # serving/intake.py has the keys below it, and of what is refused there
QUARANTINE = "quarantine/"
UNSCORED = "unscored/"  # serving/scoring.py has the keys below it, and below
SCORES = "scores/"


def incoming(project: str, file: str) -> str:
    return f"{INCOMING}{project}/{file}"


def content(sha256: str) -> str:
    """Where the bytes of that digest are stored, once, whatever they are called."""
    return f"objects/sha256/{sha256[:2]}/{sha256}"


def upload(project: str, upload_id: str = "") -> str:
    """Folder of an upload (without an id, of all of them): its moves `0001.json`, …, and what was read in it:
    `reading.json`, `sketch.json`."""
    return f"uploads/{project}/" + (f"{upload_id}/" if upload_id else "")


def batch(project: str, batch_id: str = "") -> str:
    """Folder of a batch of several files (without an id, of all of them): its moves `0001.json`, … and its
    `members.json`."""
    return f"batches/{project}/" + (f"{batch_id}/" if batch_id else "")


def validation(project: str, batch_id: str) -> str:
    """What the rules of the project say of a batch, or of an upload that is one by itself."""
    return f"validations/{project}/{batch_id}.json"


def manifest(project: str, identity: str) -> str:
    """The manifest of a dataset version under its own SHA-256; `dataset` has the accepted ones by number."""
    return f"manifests/{project}/{identity}.json"


def dataset(project: str, version: int) -> str:
    return f"datasets/{project}/v{version:05d}.json"


def profile(project: str, content: str) -> str:
    """The profile of the rows with that content digest: of one file, or of a version's files together."""
    return f"profiles/{project}/{content}.json"


def erasure(project: str, erasure_id: str) -> str:
    """The fact of an erasure; its plan and its outcome lie in the folder of the same name."""
    return f"erasures/{project}/{erasure_id}.json"


def erasure_part(project: str, erasure_id: str, part: str) -> str:
    """`plan`: what is to be done, written before anything is; `outcome`: what could not be removed."""
    return f"erasures/{project}/{erasure_id}/{part}.json"


def lineage(project: str, day: str, event_id: str) -> str:
    """An OpenLineage event, by the day on which it happened (`YYYY-MM-DD`, UTC)."""
    return f"lineage/{project}/{day}/{event_id}.json"


def contract(project: str, digest: str) -> str:
    """What a data set was seen to keep, and what the project file says of it; see `data/quality/contract.py`."""
    return f"contracts/{project}/{digest}.json"


def comparison(project: str, version: int) -> str:
    return f"datasets/{project}/v{version:05d}.comparison.json"


def tag_moves(project: str, tag: str = "") -> str:
    """Folder of a tag's moves; without one, of all tags."""
    return f"tags/{project}/" + (f"{tag}/" if tag else "")


def tag(project: str, tag: str, number: int) -> str:
    """The `number`-th move of a tag, counted from 1."""
    return f"{tag_moves(project, tag)}{number:05d}.json"


def quarantine(project: str, upload_id: str) -> str:
    """Folder of one quarantined upload: the `reason.json` lies in it, and points to the bytes."""
    return f"{QUARANTINE}{project}/{upload_id}/"


def parts(project: str, upload_id: str) -> str:
    """Folder of what was read in the parts of a large upload: `split.json`, `kinds.json`, `0001.json`, …. Their
    cells, names and rows are raw, so that they lie in quarantine, where they expire."""
    return f"{quarantine(project, upload_id)}parts/"


def run(project: str, run_id: str) -> str:
    """Folder of a run: `plan.json`, `prepared/*.npz`, `trials/0003.json`, `final/…`, `evaluation.json`."""
    return f"runs/{project}/{run_id}/"


def study_value(project: str, sha256: str) -> str:
    """A large attribute of a study or a trial, under the SHA-256 of its text."""
    return f"studies/{project}/{sha256}.json"


def model(project: str, version: int) -> str:
    """Folder of a model version: `model.json`, `model.onnx`, `model.skops`, `profile.json`, the card."""
    return f"models/{project}/v{version:05d}/"


def release(project: str, release_id: str) -> str:
    """Folder of a release: `plan.json`, `look-0001.json`, …, `decision.json`."""
    return f"releases/{project}/{release_id}/"


def captured(project: str, day: str = "") -> str:
    """Folder of captured predictions, or of one day (`YYYY-MM-DD`, the day of the request, UTC)."""
    return f"captured/{project}/" + (f"dt={day}/" if day else "")


def outcomes(project: str, day: str = "") -> str:
    """Folder of outcomes, or of one day (`YYYY-MM-DD`, the day they were received, UTC)."""
    return f"outcomes/{project}/" + (f"dt={day}/" if day else "")


def window(project: str, window_id: str) -> str:
    """Folder of a monitoring window: `window.json`, `rows.npz`, `report.json`, `report.html`."""
    return f"windows/{project}/{window_id}/"


# --- table keys (partition key `pk`, sort key `sk`) ------------------------------------------------------------
def pk(project: str) -> str:
    return f"PROJECT#{project}"


COUNTER_DATASETS = "COUNTER#dataset"
COUNTER_MODELS = "COUNTER#model"
COUNTER_STUDIES = "COUNTER#study"
POINTER_LIVE = "POINTER#live"
LOCK_RETRAINING = "LOCK#retraining"
CURSOR_WINDOW = "CURSOR#window"

DATASETS = "DATASET#"
CONTENTS = "CONTENT#"
TAGS = "TAG#"
UPLOADS = "UPLOAD#"
GATHERINGS = "GATHERING#"
BATCHES = "BATCH#"
MEMBERS = "MEMBER#"
FILES = "FILE#"
RUNS = "RUN#"
STUDIES = "STUDY#"
TRIALS = "TRIAL#"
MODELS = "MODEL#"
RELEASES = "RELEASE#"
APPROVALS = "APPROVAL#"
WINDOWS = "WINDOW#"
AUDIT = "AUDIT#"


def pk_study(project: str, study_id: int) -> str:
    """Partition of a study's trials."""
    return f"STUDY#{project}#{study_id:07d}"


def sk_study(study_id: int) -> str:
    return f"{STUDIES}{study_id:07d}"


def sk_study_name(digest: str) -> str:
    return f"STUDYNAME#{digest}"


def sk_dataset(version: int) -> str:
    return f"{DATASETS}{version:05d}"


def sk_content(content: str) -> str:
    return f"{CONTENTS}{content}"


def sk_tag(tag: str) -> str:
    return f"{TAGS}{tag}"


def sk_upload(upload_id: str) -> str:
    return f"{UPLOADS}{upload_id}"


def sk_gathering(folder: str) -> str:
    """The folder below `incoming/<project>/` whose files are being gathered into a batch."""
    return f"{GATHERINGS}{folder}"


def sk_batch(batch_id: str) -> str:
    return f"{BATCHES}{batch_id}"


def sk_member(batch_id: str, upload_id: str = "") -> str:
    """An upload that belongs to a batch; without one, the prefix of all of them."""
    return f"{MEMBERS}{batch_id}#{upload_id}"


def sk_file(path: str) -> str:
    """The latest upload of a file that was taken in: it supersedes earlier ones that arrive late."""
    return f"{FILES}{path}"


def sk_run(run_id: str) -> str:
    return f"{RUNS}{run_id}"


def sk_model(version: int) -> str:
    return f"{MODELS}{version:05d}"


def sk_release(release_id: str) -> str:
    return f"{RELEASES}{release_id}"


def sk_approval(release_id: str) -> str:
    return f"{APPROVALS}{release_id}"


def sk_window(window_id: str) -> str:
    return f"{WINDOWS}{window_id}"


def sk_audit(event_id: str) -> str:
    return f"{AUDIT}{event_id}"


# --- AWS resource names that are computed at run time too -------------------------------------------------------
def endpoint_function(stage: str, project: str) -> str:
    return f"tidemill-{stage}-{project}-predict"


def model_layer(stage: str, project: str) -> str:
    return f"tidemill-{stage}-{project}-model"


TRAINING_LOGS = "/aws/sagemaker/TrainingJobs"  # the log group of SageMaker's training jobs, of all stages


def training_job(stage: str, what: str) -> str:
    """A training or tuning job of SageMaker; only those named so may be started."""
    return f"tidemill-{stage}-{what}"


def drift_alarm(stage: str, project: str) -> str:
    return f"tidemill-{stage}-drift-{project}"


def parameter(stage: str, thing: str) -> str:
    """SSM parameter of a deployed thing: `data-bucket`, `table`, `api-url`, `state-machine/<stage word>`,
    `function/<verb_noun>`, `endpoint/<project>`."""
    return f"/tidemill/{stage}/{thing}"
