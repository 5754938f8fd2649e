"""Stage `release`: a candidate becomes a model version and earns traffic, step by step, or is rolled back."""
