"""What we know about other people's node classes: which inputs name model files, and where."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_MODEL_ENDINGS = (".safetensors", ".sft", ".ckpt", ".pt", ".pt2", ".pth", ".bin", ".onnx", ".gguf", ".pkl")

#: By class and input where the input's name alone would mislead; tried first.
_BY_CLASS: dict[tuple[str, str], str] = {
    ("CLIPVisionLoader", "clip_name"): "clip_vision",
    ("UpscaleModelLoader", "model_name"): "upscale_models",
    ("ADE_LoadAnimateDiffModel", "model_name"): "animatediff_models",
    ("ADE_AnimateDiffLoaderGen1", "model_name"): "animatediff_models",
    ("ADE_AnimateDiffLoaderWithContext", "model_name"): "animatediff_models",
    ("ADE_AnimateDiffLoRALoader", "name"): "animatediff_motion_lora",
    ("ReActorFaceSwap", "swap_model"): "insightface",
    ("ReActorFaceSwapOpt", "swap_model"): "insightface",
}

_BY_INPUT: dict[str, str] = {
    "ckpt_name": "checkpoints",
    "vae_name": "vae",
    "lora_name": "loras",
    "unet_name": "diffusion_models",
    "clip_name": "text_encoders",
    "clip_name1": "text_encoders",
    "clip_name2": "text_encoders",
    "clip_name3": "text_encoders",
    "control_net_name": "controlnet",
    "cnet": "controlnet",
    "sparsectrl_name": "controlnet",
    "style_model_name": "style_models",
    "gligen_name": "gligen",
    "hypernetwork_name": "hypernetworks",
    "ipadapter_file": "ipadapter",
    "swap_model": "insightface",
    "face_restore_model": "facerestore_models",
}


def folder_of(class_type: str, name: str) -> str | None:
    """Return the folder under `models/` that this input's files lie in, or None where we don't know."""
    return _BY_CLASS.get((class_type, name)) or _BY_INPUT.get(name)


def looks_like_a_model(class_type: str, name: str, value: Any) -> bool:
    """Return whether this input's value names a model file, not just one of some words."""
    if not isinstance(value, str) or not value:
        return False
    return folder_of(class_type, name) is not None or value.lower().endswith(_MODEL_ENDINGS)


def models_of(graph: Mapping[str, Any]) -> list[str]:
    """Return the model files that a graph names, each once, as "folder/name" where we know the folder; sorted."""
    found = set()
    for node in graph.values():
        class_type, inputs = str(node.get("class_type", "")), node.get("inputs", {})
        for name, value in inputs.items():
            if looks_like_a_model(class_type, name, value):
                folder = folder_of(class_type, name)
                found.add(f"{folder}/{value}" if folder else value)
    return sorted(found)
