"""Tuning jobs: every strategy finds its way, stays in its ranges, and stops when it should."""

import pytest


@pytest.fixture
def tuning_of(request_of, image, unique):
    """A request for a tuning job over `x`, whose loss is least at 3."""

    def make(strategy="Random", *, most=4, parallel=2, ranges=None, static=None, **config):
        definition = request_of()
        for member in ("TrainingJobName", "HyperParameters", "CheckpointConfig"):
            del definition[member]
        metric = {"Name": "loss", "Regex": "loss=([0-9.]+);"}
        definition["AlgorithmSpecification"]["MetricDefinitions"] = [metric]
        definition["StaticHyperParameters"] = static or {"kept": "yes"}
        continuous = [{"Name": "x", "MinValue": "0", "MaxValue": "10", "ScalingType": "Auto"}]
        return {
            "HyperParameterTuningJobName": unique[:32],
            "HyperParameterTuningJobConfig": {
                "Strategy": strategy,
                "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "loss"},
                "ResourceLimits": {"MaxNumberOfTrainingJobs": most, "MaxParallelTrainingJobs": parallel},
                "ParameterRanges": ranges or {"ContinuousParameterRanges": continuous},
                "RandomSeed": 7,
                **config,
            },
            "TrainingJobDefinition": definition,
        }

    return make


@pytest.fixture
def tune(client, eventually):
    """Start a tuning job, wait for its end: what Describe says, and its training jobs."""
    sagemaker = client("sagemaker")

    def to_end(request):
        name = request["HyperParameterTuningJobName"]
        sagemaker.create_hyper_parameter_tuning_job(**request)

        def ended():
            described = sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
            return described["HyperParameterTuningJobStatus"] not in ("InProgress", "Stopping") and described

        described = eventually(ended, seconds=120)
        listed = sagemaker.list_training_jobs_for_hyper_parameter_tuning_job(
            HyperParameterTuningJobName=name, MaxResults=100, SortBy="CreationTime", SortOrder="Ascending"
        )
        return described, listed["TrainingJobSummaries"]

    return to_end


def loss(job):
    return job["FinalHyperParameterTuningJobObjectiveMetric"]["Value"]


@pytest.mark.parametrize("strategy", ["Bayesian", "Random", "Hyperband"])
def test_a_strategy_runs_its_jobs_and_knows_the_best(client, tune, tuning_of, strategy):
    described, jobs = tune(tuning_of(strategy))
    assert described["HyperParameterTuningJobStatus"] == "Completed", described
    assert len(jobs) == 4
    counted = described["TrainingJobStatusCounters"]
    assert counted["Completed"] + counted["Stopped"] == 4
    assert counted["InProgress"] == 0
    best = described["BestTrainingJob"]
    assert loss(best) == min(loss(job) for job in jobs)
    points = [float(job["TunedHyperParameters"]["x"]) for job in jobs]
    assert all(0 <= x <= 10 for x in points)
    assert len(set(points)) == 4
    one = client("sagemaker").describe_training_job(TrainingJobName=jobs[0]["TrainingJobName"])
    assert one["TuningJobArn"] == described["HyperParameterTuningJobArn"]
    tuned = jobs[0]["TunedHyperParameters"]
    assert one["HyperParameters"] == {"kept": "yes", **tuned, "_tuning_objective_metric": "loss"}
    assert loss(jobs[0]) == pytest.approx((float(tuned["x"]) - 3) ** 2, abs=1e-5)


def test_a_grid_is_tried_once_in_full(tune, tuning_of):
    ranges = {"CategoricalParameterRanges": [{"Name": "x", "Values": ["1", "3", "5"]}]}
    described, jobs = tune(tuning_of("Grid", most=9, ranges=ranges))
    assert sorted(job["TunedHyperParameters"]["x"] for job in jobs) == ["1", "3", "5"]
    assert described["BestTrainingJob"]["TunedHyperParameters"] == {"x": "3"}


def test_a_target_that_is_reached_ends_the_search(tune, tuning_of):
    criteria = {"TargetObjectiveMetricValue": 1000.0}
    described, jobs = tune(tuning_of(most=20, parallel=1, TuningJobCompletionCriteria=criteria))
    assert described["HyperParameterTuningJobStatus"] == "Completed"
    assert len(jobs) == 1


def test_no_more_jobs_than_asked_for_run_at_once(client, tuning_of, eventually, unique):
    sagemaker = client("sagemaker")
    request = tuning_of(most=3, parallel=1, static={"sleep": "1"})
    sagemaker.create_hyper_parameter_tuning_job(**request)
    name = request["HyperParameterTuningJobName"]

    def jobs():
        return sagemaker.list_training_jobs_for_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)[
            "TrainingJobSummaries"
        ]

    def trains():
        described = [sagemaker.describe_training_job(TrainingJobName=job["TrainingJobName"]) for job in jobs()]
        return [job["SecondaryStatus"] for job in described] == ["Training"]

    assert eventually(trains, seconds=60)
    sagemaker.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)

    def stopped():
        described = sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
        return described["HyperParameterTuningJobStatus"] == "Stopped" and described

    described = eventually(stopped, seconds=60)
    assert described["TrainingJobStatusCounters"]["Stopped"] == 1
    assert len(jobs()) == 1


def test_a_tuning_job_none_of_whose_jobs_succeeded_has_failed(tune, tuning_of):
    described, jobs = tune(tuning_of(most=2, static={"fail": "no"}))
    assert described["HyperParameterTuningJobStatus"] == "Failed"
    assert "No training job succeeded" in described["FailureReason"]
    assert described["TrainingJobStatusCounters"]["NonRetryableError"] == 2
    assert [job["ObjectiveStatus"] for job in jobs] == ["Failed", "Failed"]


def test_hyperband_stops_a_job_that_lags_behind(tune, tuning_of):
    ranges = {"CategoricalParameterRanges": [{"Name": "x", "Values": ["1", "2", "900", "800", "700", "600"]}]}
    described, jobs = tune(
        tuning_of(
            "Hyperband",
            most=5,
            parallel=1,
            ranges=ranges,
            RandomSeed=1,
            static={"steps": "27", "linger_from": "600"},
            StrategyConfig={"HyperbandStrategyConfig": {"MinResource": 1, "MaxResource": 27}},
        )
    )
    assert described["HyperParameterTuningJobStatus"] == "Completed", described
    came = [(job["TunedHyperParameters"]["x"], job["TrainingJobStatus"]) for job in jobs]
    good = ("2", "Completed")
    assert came == [good, ("600", "Stopped"), good, ("800", "Stopped"), good]
