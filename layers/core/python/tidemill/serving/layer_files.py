"""The files of a model layer, in its package: who packs it and who loads it agree here.

It holds the two files of a model (serving/forms.py names the other), or its document and a pointer to the other;
or `experiment.json` and, in a folder each, the two files of each arm's model.
"""

PACKAGE = "tidemill_model"
DOCUMENT = "model.json"
MODEL = "model.onnx"
POINTER = "pointer.json"
ARMS = "experiment.json"


def of_arm(arm: int, file: str = "") -> str:
    """A file of an arm: 0 the champion, 1 the challenger; without a file, the folder."""
    return f"arm{arm}/{file}"
