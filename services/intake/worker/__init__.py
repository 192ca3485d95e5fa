"""Intake's workers: what brings events in by itself, without anybody's request."""
