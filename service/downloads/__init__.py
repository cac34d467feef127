"""Large files from the hosts that the configuration allows: resumable, whole or not at all."""

from service.downloads.door import Door
from service.downloads.part import Part
from service.downloads.patience import Patience
from service.downloads.transfer import Fetched, Transfer
from service.downloads.work import Wanted

__all__ = ["Door", "Fetched", "Part", "Patience", "Transfer", "Wanted"]
