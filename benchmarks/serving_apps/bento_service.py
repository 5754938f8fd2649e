"""The same model as a BentoML service."""

import os
import pickle
from pathlib import Path
from typing import Any

import bentoml
import pandas as pd


@bentoml.service(workers=1)
class Flights:
    def __init__(self) -> None:
        self.model = pickle.loads(Path(os.environ["BENCH_MODEL"]).read_bytes())

    @bentoml.api
    def predict(self, instances: list[dict[str, Any]]) -> list[float]:
        found: list[float] = self.model.predict_proba(pd.DataFrame(instances))[:, 1].tolist()
        return found
