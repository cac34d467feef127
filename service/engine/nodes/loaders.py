"""Loaders and prompts: names and words are kept, no weights are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from service.engine.node import Context, NodeClass, Result
from service.engine.nodes.declare import node, of_models
from service.engine.nodes.values import Conditioning, Model, Named

Inputs = Mapping[str, Any]


def load_checkpoint(_context: Context, inputs: Inputs) -> Result:
    """Keep a checkpoint by its name."""
    name = inputs["ckpt_name"]
    return Result((Model(name), Named(name), Named(name)))


def load_vae(_context: Context, inputs: Inputs) -> Result:
    """Keep a VAE by its name."""
    return Result((Named(inputs["vae_name"]),))


def apply_lora(_context: Context, inputs: Inputs) -> Result:
    """Pass the model, and the CLIP if there is one: a stand-in has no weights to change."""
    passed = (inputs["model"], inputs["clip"]) if "clip" in inputs else (inputs["model"],)
    return Result(passed)


def pass_clip(_context: Context, inputs: Inputs) -> Result:
    """Pass the CLIP."""
    return Result((inputs["clip"],))


def encode_text(_context: Context, inputs: Inputs) -> Result:
    """Keep the prompt's words."""
    return Result((Conditioning(str(inputs["text"])),))


def ramp_guidance(_context: Context, inputs: Inputs) -> Result:
    """Note the lowest guidance of an image-to-video run."""
    return Result((replace(inputs["model"], min_cfg=float(inputs["min_cfg"])),))


def load_motion_module(_context: Context, inputs: Inputs) -> Result:
    """Keep a motion module by its name."""
    return Result((Named(inputs["model_name"]),))


def apply_motion_module(_context: Context, inputs: Inputs) -> Result:
    """Put a motion module into a list of one."""
    return Result(((inputs["motion_model"],),))


def set_context_window(_context: Context, inputs: Inputs) -> Result:
    """Keep the size of a context window by its name."""
    return Result((Named(f"{inputs['context_length']} frames, {inputs['context_overlap']} shared"),))


def use_motion(_context: Context, inputs: Inputs) -> Result:
    """Note that the model draws one moving shot instead of a batch of stills."""
    modules = inputs.get("m_models") or ()
    motion = ", ".join(module.name for module in modules) or None
    return Result((replace(inputs["model"], motion=motion),))


CLASSES: tuple[NodeClass, ...] = (
    node("CheckpointLoaderSimple", load_checkpoint, {"ckpt_name": of_models("checkpoints")}),
    node("ImageOnlyCheckpointLoader", load_checkpoint, {"ckpt_name": of_models("checkpoints")}),
    node("VAELoader", load_vae, {"vae_name": of_models("vae", "pixel_space")}),
    node("LoraLoader", apply_lora, {"lora_name": of_models("loras")}),
    node("LoraLoaderModelOnly", apply_lora, {"lora_name": of_models("loras")}),
    node("CLIPSetLastLayer", pass_clip),
    node("CLIPTextEncode", encode_text),
    node("VideoLinearCFGGuidance", ramp_guidance),
    node("ADE_LoadAnimateDiffModel", load_motion_module, {"model_name": of_models("animatediff_models")}),
    node("ADE_ApplyAnimateDiffModelSimple", apply_motion_module),
    node("ADE_StandardStaticContextOptions", set_context_window),
    node("ADE_StandardUniformContextOptions", set_context_window),
    node("ADE_LoopedUniformContextOptions", set_context_window),
    node("ADE_UseEvolvedSampling", use_motion),
)
