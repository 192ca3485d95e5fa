"""`python -m barometer`."""

from __future__ import annotations

from barometer.cli import main

main()
