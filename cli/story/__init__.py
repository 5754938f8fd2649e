"""The demonstration: real data sets, replayed through the public interfaces, each step checked."""
