"""What SageMaker is asked to do for a run: the requests, and the ranges of its own tuning jobs."""
