"""The OpenAPI 3.1 document of a project's API, made from the features of its live model."""
