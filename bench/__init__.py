"""Benchmarks with their peers: `make bench`, or one of them with `make bench BENCH=NAME`."""
