"""Child processes that probe, decode and screen what users drop and what servers return."""

from service.examiner.classifier import Classifier, OpenNsfw
from service.examiner.door import Deadlines, Examiner

__all__ = ["Classifier", "Deadlines", "Examiner", "OpenNsfw"]
