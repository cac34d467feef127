"""A classifier for tests that are not about screening: everything is harmless, and nothing is loaded to say so."""


class Harmless:
    """Scores 0 for everything."""

    def score(self, _rgb: object) -> float:
        return 0.0
