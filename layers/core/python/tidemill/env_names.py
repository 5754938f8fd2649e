"""The environment variables of functions, jobs and the command line; `names.py` has all other names."""

ENV_STAGE = "TIDEMILL_STAGE"
ENV_BUCKET = "TIDEMILL_DATA_BUCKET"
ENV_TABLE = "TIDEMILL_TABLE"
ENV_MACHINES = "TIDEMILL_MACHINES"  # JSON: stage word → state machine ARN
ENV_LOOK_SECONDS = "TIDEMILL_LOOK_SECONDS"  # override of rollout.look_minutes, in seconds
ENV_COOL_DOWN_SECONDS = "TIDEMILL_COOL_DOWN_SECONDS"  # override of retraining.cool_down_hours, in seconds
ENV_ENDPOINT = "TIDEMILL_ENDPOINT"  # where the Python client finds the embedded cloud
ENV_SPLIT_BYTES = "TIDEMILL_SPLIT_BYTES"  # override of the size from which on files are read in parts
ENV_MODEL_ROOM = "TIDEMILL_MODEL_ROOM"  # JSON: form of a model → bytes that its layer may have, unzipped
ENV_ENDPOINT_LAYERS = "TIDEMILL_ENDPOINT_LAYERS"  # JSON: form of a model → ARNs of the layers that it alone needs
ENV_SOURCE = "TIDEMILL_SOURCE"  # JSON: what the deployed code was made from, as infra/source.py tells it
ENV_TRAINING_IMAGE = "TIDEMILL_TRAINING_IMAGE"  # the image of SageMaker jobs, if the stage has one
ENV_TRAINING_ROLE = "TIDEMILL_TRAINING_ROLE"  # ARN of the role of SageMaker jobs
ENV_HOST_ADDRESSES = "TIDEMILL_HOST_ADDRESSES"  # JSON: host → address:port, where a job cannot resolve it
ENV_SELF_APPROVAL = "TIDEMILL_SELF_APPROVAL"  # "true" where one may approve one's own run
ENV_TOPIC = "TIDEMILL_TOPIC"  # ARN of the stage's SNS topic, which alarms and functions tell
ENV_PROJECT = "TIDEMILL_PROJECT"  # of an endpoint's function: whose model it is to serve
ENV_REHEARSAL = "TIDEMILL_REHEARSAL"  # "true" where run options that spoil a model on purpose are permitted
