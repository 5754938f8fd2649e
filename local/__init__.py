"""The embedded cloud: MiniStack started in process, the few things it lacks, and a deployment to it."""
