"""The one workflow that may make adult content: its name, folder and very graph, and what a job may change in it."""

from __future__ import annotations

from typing import Any, Final

ADULT_WORKFLOW: Final = "text_to_video_nsfw"
ADULT_TASK: Final = "adult"
#: What each of its results says of itself: no other task takes such a file.
ADULT_TAG: Final = "reeldrop_adult"
#: Of workflows/text_to_video_nsfw.json as it comes with Reeldrop (graph.hash_of). Another graph of that name isn't it.
GRAPH_HASH: Final = "d0e7164659104e9aa014634ecdc4a182de2245adad4e20c77e037621f3189388"
#: What its negative prompt always begins with; a job's own is put behind it.
GUARD: Final = (
    "child, children, kid, minor, underage, teen, teenager, toddler, infant, baby, "
    "young girl, young boy, school uniform"
)
#: Where its guard stands.
NEGATIVE: Final = ("6", "text")
CHECKPOINT: Final = ("1", "ckpt_name")
CFG: Final = ("12", "cfg")
#: Below this the guard words of the negative prompt lose their effect.
LEAST_CFG: Final = 3
#: What may differ from the file, as (node, input).
VARIABLE: Final = frozenset(
    {
        NEGATIVE,
        CHECKPOINT,
        CFG,
        ("2", "vae_name"),
        ("5", "text"),
        ("11", "width"),
        ("11", "height"),
        ("11", "batch_size"),
        ("12", "seed"),
        ("12", "steps"),
        ("12", "sampler_name"),
        ("12", "scheduler"),
        ("14", "frame_rate"),
        ("14", "filename_prefix"),
    }
)
#: Nodes that put a LoRA onto its model, each with what its outputs pass on.
LORA_NODES: Final = {"LoraLoaderModelOnly": ("model",), "LoraLoader": ("model", "clip")}


def is_adult(workflow: str | None, task: str) -> bool:
    """Say whether a job goes by the name of the adult workflow in the adult folder; the graph tells the rest."""
    return workflow == ADULT_WORKFLOW and task == ADULT_TASK


def guarded(workflow: str, field: str, value: Any) -> Any:
    """Return what goes into the graph for a field: behind the guard words, where it is that negative prompt."""
    if workflow != ADULT_WORKFLOW or field != "negative_prompt":
        return value
    text = str(value or "")
    return text if text.startswith(GUARD) else f"{GUARD}, {text}" if text.strip() else GUARD
