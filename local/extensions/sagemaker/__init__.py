"""SageMaker training and tuning jobs on the embedded cloud: as subprocesses, with the layout, environment, states
and limits that they have in a container. What is emulated and how far is in docs/sagemaker.md.
"""

from local.extensions.sagemaker import service, states

stop = service.stop


def install() -> None:
    service.install()
    states.install()
