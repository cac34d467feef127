"""Names that programs, systems and shares give to files that nobody dropped."""

from __future__ import annotations

import re
from functools import lru_cache

_ENDINGS = (
    *(".part", ".partial", ".filepart", ".crdownload", ".download", ".opdownload", ".uploading", ".aria2", ".!qb"),
    *(".tmp", ".temp", ".lock", ".camellock", ".swp"),
    "~",
    # Our own, beside what was refused.
    ".reason.txt",
)
_BEGINNINGS = (".", "~$", "~syncthing~")
# macOS keeps the picture of a folder in a file called Icon and a carriage return.
_FILES = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"})
_FOLDERS = frozenset(
    {
        *("@eadir", "@tmp", "#recycle", "#snapshot"),  # Synology
        *("@recycle", "@recently-snapshot"),  # QNAP
        *("$recycle.bin", "system volume information", "lost+found", "__macosx"),
    }
)

# How sync programs name the second of two files that were changed in two places.
_CONFLICT = re.compile(
    r"""
      .*\.sync-conflict-\d{8}-\d{6}.*                                       # Syncthing
    | .*\(.*(?:conflicted\ copy|conflict\ copy|(?:case|sync|encoding|whitespace)\ conflict).*\).*  # Dropbox, Nextcloud
    | .*\(.*(?:konflikt\ stehende\ kopie|copie\ en\ conflit|copia\ en\ conflicto|copia\ conflictiva
             |copia\ in\ conflitto|cópia\ em\ conflito|konfliktkopie).*\).*     # Dropbox and Nextcloud, by language
    | .*[ ]?[(\[]conflicted[)\]].*                                          # pCloud
    | .*\(sfconflict\ .*\).*                                                # Seafile
    | .*\(conflict_.*\d{4}-\d\d-\d\d.*\).*                                  # FileCloud
    | .*_conflict-\d{8}.*                                                   # ownCloud, older Nextcloud
    | .*_[a-z]{3}-\d\d-\d{4,6}-\d{4}_[a-z]*conflict.*                       # Synology Drive
    | .*\.conflict\d*(?:\.[^.]*)?                                           # Resilio Sync, rclone
    | .*-(?:desktop-[0-9a-z]{7}|laptop-[0-9a-z]{8}|win-[0-9a-z]{11})(?:-\d+)?(?:\.[^.]*)?  # OneDrive, on a PC of
                                                                            # the name that Windows gave it
    """,
    re.VERBOSE | re.DOTALL,
)


def is_junk(filename: str) -> bool:
    """Tell whether a file of this name never starts anything and isn't worth telling anybody about."""
    lower = filename.lower()
    return lower.startswith(_BEGINNINGS) or lower.endswith(_ENDINGS) or lower in _FILES


def is_junk_folder(name: str) -> bool:
    """Tell whether a folder of this name is some program's or share's own; nothing in it is looked at."""
    return name.lower() in _FOLDERS or name.lower().startswith("_unpack_") or is_junk(name)


def is_conflict_copy(filename: str) -> bool:
    """
    Tell whether a sync program made this copy of a file that was changed in two places; it is left alone.

    iCloud's "NAME 2.yaml" and Google Drive's "NAME (1).yaml" are what people call their own copies too, and count as
    dropped.
    """
    lower = filename.lower()
    # Most names are told by this alone; the word is much alike in many languages.
    if "onfli" not in lower and "-desktop-" not in lower and "-laptop-" not in lower and "-win-" not in lower:
        return False
    return _CONFLICT.fullmatch(lower) is not None


@lru_cache(maxsize=4096)
def in_junk(folder: str) -> bool:
    """Tell whether any part of a folder's path is some program's own."""
    return any(map(is_junk_folder, folder.split("/")))
