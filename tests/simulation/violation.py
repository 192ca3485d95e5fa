"""The one way a simulation fails."""


class Violation(AssertionError):
    """Something that must never happen did; the text names the seed, the step and what."""
