"""One models folder for Reeldrop and ComfyUI: what extra_model_paths.yaml must say, and who doesn't read it.

The file's form and the packs that ignore it were read in the sources of ComfyUI 0.3.64 (folder_paths.py,
utils/extra_config.py) and of the packs.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from service.errors import Problem, Rejected

BEGIN = "# reeldrop begin: written by `reeldrop models link`, which replaces what stands up to the end mark"
END = "# reeldrop end"

#: ComfyUI's own categories, then those of the packs that ask ComfyUI where their models are.
_FOLDERS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("checkpoints", ("checkpoints",)),
    ("loras", ("loras",)),
    ("vae", ("vae",)),
    ("controlnet", ("controlnet",)),
    ("clip_vision", ("clip_vision",)),
    ("text_encoders", ("text_encoders", "clip")),
    ("diffusion_models", ("diffusion_models", "unet")),
    ("upscale_models", ("upscale_models",)),
    ("embeddings", ("embeddings",)),
    ("frame_interpolation", ("frame_interpolation",)),
    ("animatediff_models", ("animatediff_models",)),
    ("animatediff_motion_lora", ("animatediff_motion_lora",)),
    ("ipadapter", ("ipadapter",)),
    ("ultralytics_bbox", ("ultralytics/bbox",)),
    ("sams", ("sams",)),
    ("detection", ("detection",)),
)


@dataclass(frozen=True)
class Deaf:
    """A pack that looks into ComfyUI's own models folder alone, and which folders there would have to be links."""

    pack: str
    folders: tuple[str, ...]


DEAF = (
    Deaf("ComfyUI-ReActor", ("insightface", "facerestore_models", "reswapper", "hyperswap", "nsfw_detector")),
    Deaf("ComfyUI-LivePortraitKJ", ("liveportrait", "insightface")),
    Deaf("ComfyUI-MagicAnimate", ("MagicAnimate",)),
)
#: comfyui_controlnet_aux has a folder of its own, which this variable names.
AUX_VARIABLE = "AUX_ANNOTATOR_CKPTS_PATH"
AUX_FOLDER = "controlnet_aux"
#: Every folder that a deaf pack reads, each once.
LINKED = tuple(dict.fromkeys(folder for each in DEAF for folder in each.folders))


def paths(base: str) -> str:
    """Return what extra_model_paths.yaml must hold for a models folder, between our marks."""
    # JSON is YAML, and needs no care for odd letters; a $ would be replaced by ComfyUI.
    if "$" in base:
        fix = "Set models_dir in config.yaml to a folder without one."
        raise Rejected(Problem("bad_path", "ComfyUI replaces a $ in the path of the models folder.", fix))
    lines = [BEGIN, "reeldrop:", f"  base_path: {json.dumps(base, ensure_ascii=False)}", "  is_default: true"]
    for category, folders in _FOLDERS:
        if len(folders) == 1:
            lines.append(f"  {category}: {folders[0]}/")
        else:
            lines += [f"  {category}: |", *(f"    {folder}" for folder in folders)]
    return "\n".join([*lines, END]) + "\n"


def merged(there: str, ours: str) -> str:
    """
    Return a file's text with our part in it: in place of the one between our marks, or after everything.

    Raise Rejected where the file has a part of our name without the marks: it isn't ours to change.
    """
    if BEGIN in there and END in there[there.index(BEGIN) :]:
        start = there.index(BEGIN)
        stop = there.index(END, start) + len(END)
        return there[:start] + ours.rstrip("\n") + there[stop:]
    if any(line.startswith("reeldrop:") for line in there.splitlines()):
        title = "extra_model_paths.yaml has a part named reeldrop that this command didn't write."
        raise Rejected(Problem("not_ours", title, "Rename that part or take it out, then try again."))
    return f"{there.rstrip()}\n\n{ours}" if there.strip() else ours


def notes(base: str, comfyui: str | None) -> tuple[str, ...]:
    """Return what extra_model_paths.yaml can't do, a sentence each, with the command that helps."""
    own = f"{comfyui or 'ComfyUI'}/models"
    told = [
        f"{each.pack} doesn't read extra_model_paths.yaml: link {own}/ to {base}/ for {', '.join(each.folders)}."
        for each in DEAF
    ]
    where = f" --comfyui {comfyui}" if comfyui else " --comfyui DIR"
    return (
        *told,
        f"`reeldrop models link{where} --symlinks` makes these links where nothing is in their way.",
        f"comfyui_controlnet_aux has a folder of its own: start ComfyUI with {AUX_VARIABLE}={base}/{AUX_FOLDER}",
    )
