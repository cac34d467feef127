"""A caller that lists folder by folder gets the same drops as one that lists everything."""

from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.drops import (
    drop_folder_of,
    drop_folders,
    group,
    group_folder,
    group_folder_drop,
    is_job_of_folder,
    preset_of,
)

TASKS = ("text-to-video", "face-swap")
PRESETS = ("cinematic",)

parts = st.sampled_from(
    ["a", "A", "job", "a.source", "Done", ".x", "trip", "cinematic", "Cinematic", "@eaDir", "PAUSE"]
)
endings = st.sampled_from(
    ["", ".yaml", ".yml", ".json", ".txt", ".json.txt", ".jpg", ".png", ".mp4", ".part", ".cancel", ".status.json"]
)
paths = st.builds(
    lambda task, folders, stem, ending: "/".join([task, *folders, stem + ending]),
    st.sampled_from([*TASKS, "done", "other"]),
    st.lists(parts, max_size=3),
    parts,
    endings,
)


def by_folder(listing, prompted, presets):
    """What a caller does that knows each folder's own files and where job files lie."""
    folders = defaultdict(list)
    for path in listing:
        folders[path.rpartition("/")[0]].append(path)
    with_job_file = {
        folder for folder, files in folders.items() if any(is_job_of_folder(path.rpartition("/")[2]) for path in files)
    }
    of_tasks = {folder for folder in with_job_file if folder.split("/")[0] in TASKS}
    candidates = [
        group_folder_drop(drop, [path for path in listing if path.startswith(f"{drop}/")])
        for drop in drop_folders(of_tasks, presets)
    ]
    left = []
    for folder, files in folders.items():
        if drop_folder_of(folder, of_tasks, presets) is None:
            found, others = group_folder(folder, files, TASKS, prompted)
            candidates += found
            left += others
    return candidates, left


@given(
    st.lists(paths, unique=True, max_size=30),
    st.sampled_from([None, (), TASKS[:1]]),
    st.sampled_from([(), PRESETS]),
)
def test_folder_by_folder_is_the_same_as_all_at_once(listing, prompted, presets):
    candidates, left = group(listing, TASKS, prompted, presets=presets)
    apart, left_apart = by_folder(listing, prompted, presets)
    assert len(apart) == len(candidates)
    assert set(apart) == set(candidates)
    assert sorted(left_apart) == list(left)


@given(st.lists(paths, unique=True, max_size=30))
def test_each_folder_drop_is_outermost_and_owns_all_below(listing):
    candidates, left = group(listing, TASKS, presets=PRESETS)
    folders = [drop.folder for drop in candidates if drop.folder]
    assert len(folders) == len(set(folders))
    for drop in candidates:
        around = [folder for folder in folders if drop.members[0].startswith(f"{folder}/")]
        assert around == ([drop.folder] if drop.folder else [])
    assert not [path for path in left for folder in folders if path.startswith(f"{folder}/")]


@pytest.mark.parametrize("name", ["job.yaml", "job.yml", "job.json", "JOB.Yaml", "job.yaml.txt", "Job.JSON.TXT"])
def test_a_job_file_makes_its_folder_a_drop(name):
    assert is_job_of_folder(name)


@pytest.mark.parametrize(
    "name", ["job", "job.txt", "job.jpg", "jobs.yaml", "my.job.yaml", "job.status.json", "job.1.yaml"]
)
def test_no_other_file_does(name):
    assert not is_job_of_folder(name)


@pytest.mark.parametrize(
    ("folder", "drop"),
    [
        ("t", None),
        ("t/cat", "t/cat"),
        ("t/cat/inner", "t/cat"),
        ("t/cat/inner/deep", "t/cat"),
        ("t/cats", None),
        ("t/trip", None),
        ("t/trip/dog", "t/trip/dog"),
        ("t/cinematic", None),
        ("t/cinematic/dog", "t/cinematic/dog"),
        ("t/DONE/cat", None),
        ("t/.x/cat", None),
        ("t/cat/.x", "t/cat"),
    ],
)
def test_the_outermost_folder_with_a_job_file_is_the_drop(folder, drop):
    with_job_file = {
        *("t", "t/cat", "t/cat/inner", "t/trip/dog", "t/cinematic", "t/cinematic/dog", "t/DONE/cat", "t/.x/cat")
    }
    assert drop_folder_of(folder, with_job_file, ["cinematic"]) == drop
    assert drop_folder_of(folder, (), ["cinematic"]) is None
    assert drop_folders(with_job_file, ["cinematic"]) == {"t/cat", "t/trip/dog", "t/cinematic/dog"}


def test_a_job_file_in_a_presets_folder_is_one_job_of_that_preset():
    listing = ["face-swap/Cinematic/job.yaml", "face-swap/Cinematic/other.yaml"]
    candidates, left = group(listing, TASKS, presets=PRESETS)
    assert [(drop.kind, drop.name, drop.grouping) for drop in candidates] == [
        ("job_file", "job", "Cinematic"),
        ("job_file", "other", "Cinematic"),
    ]
    assert left == ()
    (whole,), _ = group(listing, TASKS)
    assert (whole.kind, whole.name, whole.grouping) == ("folder", "Cinematic", "")


@pytest.mark.parametrize(
    ("grouping", "preset"),
    [
        ("", None),
        ("trip", None),
        ("cinematic", "cinematic"),
        ("Cinematic", "cinematic"),
        ("cinematic/trip/2026", "cinematic"),
        ("cinematic/cafe\u0301", "café"),
        ("café/cinematic", "cinematic"),
        ("cinematic wide", None),
    ],
)
def test_the_innermost_folder_of_a_presets_name_applies_it(grouping, preset):
    assert preset_of(grouping, ["café", "cinematic"]) == preset
    assert preset_of(grouping, ()) is None
