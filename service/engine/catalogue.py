"""What the engine offers: its node classes, and the models that models.yaml names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from service.engine.node import Folders, NodeClass

#: The folders that a ComfyUI 0.3.64 lists without a model in them, in its order (with the packs our graphs need).
KNOWN_FOLDERS = (
    "checkpoints",
    "configs",
    "loras",
    "vae",
    "text_encoders",
    "diffusion_models",
    "clip_vision",
    "style_models",
    "embeddings",
    "diffusers",
    "vae_approx",
    "controlnet",
    "gligen",
    "upscale_models",
    "custom_nodes",
    "hypernetworks",
    "photomaker",
    "classifiers",
    "model_patches",
    "audio_encoders",
    "animatediff_models",
    "animatediff_motion_lora",
    "animatediff_video_formats",
    "VHS_video_formats",
)

#: Old names that ComfyUI still takes for two folders.
OLD_NAMES = {"unet": "diffusion_models", "clip": "text_encoders"}


class ModelsUnreadable(Exception):
    """The models file is not a list of {name, folder}; the message says what to write."""


def read_models(path: Path | None) -> dict[str, list[str]]:
    """Return the model names of each folder, sorted; raises ModelsUnreadable for a file of another shape."""
    models: dict[str, list[str]] = {folder: [] for folder in KNOWN_FOLDERS}
    if path is None:
        return models
    try:
        rows = yaml.safe_load(path.read_text(encoding="utf-8")) or []
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as trouble:
        raise ModelsUnreadable(f"{path} can't be read as YAML: {trouble}. Give a readable file.") from trouble
    if isinstance(rows, dict):
        rows = rows.get("models", rows)
    if not isinstance(rows, list):
        raise ModelsUnreadable(f"{path} must be a list. Write for example - {{name: a.safetensors, folder: vae}}.")
    for row in rows:
        name, folder = (row.get("name"), row.get("folder")) if isinstance(row, dict) else (None, None)
        if not (isinstance(name, str) and isinstance(folder, str)):
            raise ModelsUnreadable(f"{path}: {row!r} needs name and folder, both text.")
        names = models.setdefault(OLD_NAMES.get(folder, folder), [])
        if name not in names:
            names.append(name)
    return {folder: sorted(names) for folder, names in models.items()}


class Catalogue:
    """Answers for the node classes as they are now: option lists follow the folders and the models."""

    def __init__(self, classes: Mapping[str, NodeClass], models: Mapping[str, list[str]], folders: Folders) -> None:
        self.classes = classes
        self.models = models
        self.folders = folders

    def __contains__(self, name: object) -> bool:
        return name in self.classes

    def node(self, name: str) -> NodeClass:
        """Return the class of this name; raises KeyError if there is none."""
        return self.classes[name]

    def info(self, name: str) -> dict[str, Any]:
        """Return the class's object_info entry with its option lists filled in for now."""
        return self.classes[name].info(self.models, self.folders)

    def snapshot(self) -> Snapshot:
        """Return a view that asks each class for its entry once: one prompt is judged by one state of the folders."""
        return Snapshot(self)

    def models_in(self, folder: str) -> list[str] | None:
        """Return the model names of a folder, or None for a folder that nobody knows."""
        return self.models.get(OLD_NAMES.get(folder, folder))


class Snapshot:
    """The entries of a catalogue, each read at most once."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self._entries: dict[str, dict[str, Any]] = {}

    def info(self, name: str) -> dict[str, Any]:
        """Return the class's object_info entry; raises KeyError for an unknown class."""
        if name not in self._entries:
            self._entries[name] = self.catalogue.info(name)
        return self._entries[name]

    def is_output(self, name: str) -> bool:
        """Return whether prompts end in this class."""
        return bool(self.info(name).get("output_node"))

    def hidden(self, name: str) -> dict[str, str]:
        """Return the hidden inputs of a class: name to what it holds (PROMPT, EXTRA_PNGINFO, UNIQUE_ID)."""
        hidden = self.info(name)["input"].get("hidden", {})
        return {key: value if isinstance(value, str) else value[0] for key, value in hidden.items()}
