"""The app that one writes: FastAPI, a pydantic model of the row, scikit-learn on a frame."""

import os
import pickle
from pathlib import Path

import pandas as pd
from fastapi import FastAPI
from pydantic import BaseModel

MODEL = pickle.loads(Path(os.environ["BENCH_MODEL"]).read_bytes())
app = FastAPI()


class Row(BaseModel):
    departure_delay: int
    scheduled_hour: int
    scheduled_minutes: int
    distance: float
    airport_delay: float | None = None
    route_loss: float | None = None
    rain: float | None = None
    carrier: str
    origin: str


class Request(BaseModel):
    instances: list[Row]


@app.post("/predict")
def predict(request: Request) -> dict[str, list[float]]:
    frame = pd.DataFrame([row.model_dump() for row in request.instances])
    return {"probabilities": MODEL.predict_proba(frame)[:, 1].tolist()}
