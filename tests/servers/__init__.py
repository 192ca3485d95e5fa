"""Real servers for tests and benches: plain classes, no pytest needed to use them.

Each listens on loopback and a free port only, keeps its files in a directory of its own, and ends with the
process that started it, however that one ends.
"""
