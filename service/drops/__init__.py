"""What is a drop, by names alone: one listing of the inbox becomes drops, orders, and files that are left alone."""

from service.drops.folders import drop_folder_of, drop_folders, is_job_of_folder, preset_of
from service.drops.grouping import Candidate, Kind, group, group_folder, group_folder_drop, left_outside
from service.drops.junk import is_conflict_copy, is_junk, is_junk_folder
from service.drops.names import (
    RESERVED,
    ROLES,
    Control,
    control_of,
    grouping_of,
    in_reserved,
    is_control,
    media_kind,
    name_of,
    role_in_folder,
    role_of,
    said_by,
    task_of,
)

__all__ = [
    "RESERVED",
    "ROLES",
    "Candidate",
    "Control",
    "Kind",
    "control_of",
    "drop_folder_of",
    "drop_folders",
    "group",
    "group_folder",
    "group_folder_drop",
    "grouping_of",
    "in_reserved",
    "is_conflict_copy",
    "is_control",
    "is_job_of_folder",
    "is_junk",
    "is_junk_folder",
    "left_outside",
    "media_kind",
    "name_of",
    "preset_of",
    "role_in_folder",
    "role_of",
    "said_by",
    "task_of",
]
