"""Save the model in MLflow's form, with the probabilities as its answer: `python mlflow_save.py PICKLE FOLDER`."""

import pickle
import sys
from pathlib import Path

import mlflow.sklearn

mlflow.sklearn.save_model(
    pickle.loads(Path(sys.argv[1]).read_bytes()),
    sys.argv[2],
    serialization_format="cloudpickle",
    pyfunc_predict_fn="predict_proba",
)
