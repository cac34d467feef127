"""Child processes that probe, decode and screen what users drop and what servers return."""

from service.examiner.classifier import Classifier, OpenNsfw
from service.examiner.deadlines import Deadlines
from service.examiner.door import Examiner, Inspection

__all__ = ["Classifier", "Deadlines", "Examiner", "Inspection", "OpenNsfw"]
