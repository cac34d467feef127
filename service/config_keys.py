"""Every key of config.yaml, declared once: its default, its limits, what it does, and whether its part is built."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from service.adult import key_of
from service.adult_workflow import ADULT_TASK, ADULT_WORKFLOW
from service.backend_keys import Backend
from service.declaration import Declared, Slug, did_you_mean, mistake
from service.key_types import Folder, Text
from service.manifest import RESERVED_FOLDERS
from service.media import encodings
from service.model_hosts import USUAL_HOSTS, check_host
from service.notify_keys import Target
from service.signing_keys import MaySign
from service.window_keys import ForEverything, OfTasks

#: The task folders that are always there; those without a workflow say so to who drops something.
TASKS: Mapping[str, tuple[str, ...]] = {
    "text-to-video": ("text_to_video_basic", "text_to_video_wan", "text_to_video_ltx"),
    "image-to-video": ("image_to_video_svd", "image_to_video_animatediff", "image_to_video_wan"),
    "face-swap": ("face_swap_video", "face_swap_basic"),
    "motion-mimic": ("motion_transfer_wan_animate", "motion_transfer_liveportrait", "motion_transfer_magicanimate"),
    "pose-guided": ("pose_guided_generation",),
    "combined": ("combined_pipeline",),
}


def _check_codec(name: str) -> str:
    if encodings.codec_of(name) is None:
        fix = did_you_mean(name, list(encodings.names()), "Write for example libx264, libx265, av1 or hevc_nvenc.")
        raise mistake("bad_value", f"{{field}} {name!r} is no codec that we know.", fix)
    return name


def _check_tasks(tasks: Mapping[str, tuple[str, ...]]) -> Mapping[str, tuple[str, ...]]:
    for task in tasks:
        if task == ADULT_TASK or ADULT_WORKFLOW in tasks[task]:
            title = f"{ADULT_WORKFLOW} runs in the folder {ADULT_TASK} and nowhere else, and nothing else runs there."
            raise mistake("bad_value", title, "Take the line out; nsfw_enabled: true makes that folder.")
        if task in RESERVED_FOLDERS:
            raise mistake("bad_value", f"{task} can't be a task: that folder has another use.", "Choose another name.")
    return tasks


SliderRange = tuple[Annotated[float, Field(ge=-1, le=1)], Annotated[float, Field(ge=-1, le=1)]]


class Watch(Declared):
    """How drops are noticed, and when they count as whole."""

    mode: Literal["auto", "events", "polling"] = Field(
        "auto",
        description="auto: the system's events where they can be trusted (local disks), otherwise regular looks.",
        examples=["polling"],
    )
    quiet_seconds_local: float = Field(
        0.2,
        ge=0,
        le=3600,
        description="A file on a local disk is whole after so long without change and writer.",
        examples=[0.2],
    )
    quiet_seconds: float = Field(
        3, ge=0, le=3600, description="The same where open writers can't be seen.", examples=[3]
    )
    quiet_seconds_share: float = Field(10, ge=0, le=3600, description="The same on network shares.", examples=[10])
    rescan_seconds: float = Field(
        10,
        ge=0.5,
        le=3600,
        description="Look through the inbox at least this often, whatever the events say, unless looking costs much.",
        examples=[10],
    )
    sidecar_wait_seconds: float = Field(
        5, ge=0, le=3600, description="Media without a job file waits so long for one.", examples=[5]
    )
    media_wait_minutes: float = Field(
        60, ge=0, le=100_000, description="A job file waits so long for the media that it needs.", examples=[60]
    )


class Config(Declared):
    """The whole configuration; paths are absolute once it is read."""

    output_dir: Folder = Field(
        Path("./outbox"), description="Finished videos and their status files.", examples=["./outbox"]
    )
    temp_dir: Folder = Field(Path("./temp"), description="Scratch space for decoding.", examples=["./temp"])
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="How much the log says: DEBUG, INFO, WARNING or ERROR.", examples=["DEBUG"]
    )

    default_checkpoint: Text = Field(
        "realisticVision_v51.safetensors",
        description="The checkpoint where neither the job nor the workflow names one.",
        examples=["realisticVision_v51.safetensors"],
    )
    nsfw_checkpoint: Text = Field(
        "ponyDiffusionV6XL.safetensors",
        description="The checkpoint of the adult workflow, which no other may use.",
        examples=["ponyDiffusionV6XL.safetensors"],
    )
    vae: Text = Field(
        "vae-ft-mse-840000-ema-pruned.safetensors",
        description="The VAE where neither the job nor the workflow names one.",
        examples=["vae-ft-mse-840000-ema-pruned.safetensors"],
    )

    default_fps: float = Field(
        12, ge=1, le=240, description="Frames a second where neither the job nor the workflow says.", examples=[12]
    )
    default_frames: int = Field(
        16, ge=1, le=100_000, description="Frames where neither the job nor the workflow says.", examples=[16]
    )
    max_frames: int = Field(
        64,
        ge=1,
        le=100_000,
        description="The most frames of a workflow that sets no limit of its own.",
        examples=[64],
    )
    video_format: Literal["mp4", "webm", "mov", "gif", "webp"] = Field(
        "mp4", description="The container of results: mp4, webm, mov, gif or webp.", examples=["webm"]
    )
    video_codec: Annotated[Text, AfterValidator(_check_codec)] = Field(
        "libx264",
        description="The codec of results, or an encoder of ffmpeg such as hevc_nvenc; where video_format or a job's "
        "format doesn't take it, that one's usual codec.",
        examples=["libx265"],
    )

    default_steps: int = Field(
        20, ge=1, le=10_000, description="Sampling steps where neither the job nor the workflow says.", examples=[20]
    )
    default_cfg: float = Field(
        7.5, ge=0, le=100, description="Guidance (cfg) where neither the job nor the workflow says.", examples=[7.5]
    )
    default_sampler: Text = Field(
        "euler_ancestral",
        description="The sampler where neither the job nor the workflow says.",
        examples=["euler_ancestral"],
    )

    face_enhancer: Text = Field(
        "gfpgan", description="What restores faces after a swap: gfpgan, codeformer or none.", examples=["codeformer"]
    )
    face_swap_model: Text = Field("inswapper_128", description="The face swap model.", examples=["inswapper_128"])

    nsfw_enabled: bool = Field(default=False, description="Whether the adult workflow may be used.", examples=[False])
    nsfw_safety_filter: bool = Field(
        default=False, description="Whether adult results are screened too; all others always are.", examples=[False]
    )

    adult_loras: tuple[Text, ...] = Field(
        (),
        description="LoRA files that jobs of the adult workflow may name; all others are refused there.",
        examples=[["film_grain.safetensors"]],
    )

    age_slider_default: float = Field(
        0.0, ge=-1, le=1, description="The age slider where a job is silent.", examples=[0.0]
    )
    age_slider_range: SliderRange = Field(
        (-1.0, 1.0), description="What a job may set the age slider to, at least and at most.", examples=[[-1.0, 1.0]]
    )
    body_slider_default: float = Field(
        0.0, ge=-1, le=1, description="The body slider where a job is silent.", examples=[0.0]
    )
    body_slider_range: SliderRange = Field(
        (-1.0, 1.0), description="What a job may set the body slider to, at least and at most.", examples=[[-1.0, 1.0]]
    )

    c2pa: MaySign = None

    inbox_dir: Folder = Field(Path("./inbox"), description="Where jobs are dropped.", examples=["./inbox"])
    state_dir: Folder = Field(
        Path("./var"), description="Database and work files; always on a local disk.", examples=["./var"]
    )
    workflows_dir: Folder = Field(
        Path("./workflows"), description="Graphs and their manifests.", examples=["./workflows"]
    )
    models_dir: Folder = Field(
        Path("./models"),
        description="Model files, shared with ComfyUI; models.yaml in it lists them.",
        examples=["./models"],
    )
    media_roots: tuple[Folder, ...] = Field(
        (), description="Folders where jobs find the media that they name; only read.", examples=[["/mnt/photos"]]
    )

    model_hosts: tuple[Annotated[Text, AfterValidator(check_host)], ...] = Field(
        USUAL_HOSTS,
        description="Where `reeldrop models pull` may fetch from, redirects included: hosts (*. for any below one), "
        "and networks of private addresses for servers of your own. Unless set: Hugging Face, Civitai, GitHub's "
        "releases, and where these keep their files.",
        examples=[["huggingface.co", "*.hf.co"]],
    )

    watch: Watch = Field(Watch.model_validate({}), description="How drops are noticed, and when they count as whole.")

    backends: tuple[Backend, ...] = Field(
        (),
        description="The ComfyUI servers to work with, each with a name and a url of its own.",
        examples=[[{"name": "gpu-1", "url": "http://127.0.0.1:8188"}]],
    )
    engine: Literal["auto", "embedded", "off"] = Field(
        "auto",
        description="auto: the embedded engine (it needs no GPU) if no backend is set; embedded: always; off: never.",
        examples=["auto"],
    )
    windows: ForEverything = ()
    task_windows: OfTasks = Field({})
    notify: tuple[Target, ...] = Field(
        (),
        description="Who is told what happens, each by a url or by Apprise.",
        examples=[[{"url": "https://hooks.example.com/reeldrop"}]],
    )
    max_cells: int = Field(
        1000,
        ge=1,
        le=10_000,
        description="How many jobs one drop may ask for: its jobs, matrix and count together.",
        examples=[1000],
    )
    tasks: Annotated[dict[Slug, tuple[Slug, ...]], AfterValidator(_check_tasks)] = Field(
        {task: names for task, names in TASKS.items() if names},
        description="The workflows of each task folder, in the order in which they are tried.",
        examples=[{"text-to-video": ["text_to_video_basic"]}],
    )

    def workflow_defaults(self) -> dict[str, Any]:
        """Return what holds where a job and its workflow are silent, by the job's field names, and max_frames."""
        return {
            "fps": self.default_fps,
            "frames": self.default_frames,
            "max_frames": self.max_frames,
            "steps": self.default_steps,
            "cfg": self.default_cfg,
            "sampler": self.default_sampler,
            "checkpoint": self.default_checkpoint,
            "vae": self.vae,
            "video_format": self.video_format,
            "video_codec": self.video_codec,
            "face_enhancer": self.face_enhancer,
            "face_swap_model": self.face_swap_model,
            "adult_checkpoint": self.nsfw_checkpoint,
            "age_slider_default": self.age_slider_default,
            "age_slider_range": self.age_slider_range,
            "body_slider_default": self.body_slider_default,
            "body_slider_range": self.body_slider_range,
        }

    def task_lists(self, workflows: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
        """
        Given each workflow's task, return each task's workflows in the order in which they are tried.

        Workflows that nobody listed come after ours; a list that config.yaml changes stays as it is written there.
        """
        lists = dict(self.tasks)
        listed = {name for names in lists.values() for name in names}
        if self.nsfw_enabled:
            lists[ADULT_TASK] = (ADULT_WORKFLOW,)
        for name, task in sorted(workflows.items()):
            if ADULT_TASK in (task, name) or name == ADULT_WORKFLOW:
                continue
            if name not in listed and self.tasks.get(task, ()) == TASKS.get(task, ()):
                lists[task] = (*lists.get(task, ()), name)
        return lists

    @model_validator(mode="after")
    def _agrees(self) -> Config:
        if self.default_frames > self.max_frames:
            title = "default_frames is larger than max_frames."
            raise mistake("conflict", title, "Raise max_frames or lower default_frames.", "default_frames")
        if key_of(self.default_checkpoint) == key_of(self.nsfw_checkpoint):
            title = (
                "default_checkpoint and nsfw_checkpoint are the same, and only the adult workflow may use the latter."
            )
            raise mistake("conflict", title, "Name another default_checkpoint.", "default_checkpoint")
        for name in ("age", "body"):
            (low, high), usual = getattr(self, f"{name}_slider_range"), getattr(self, f"{name}_slider_default")
            if not low <= usual <= high:
                title = f"{name}_slider_default is not within {name}_slider_range."
                fix = "Write the smaller limit first, and a default between the two."
                raise mistake("conflict", title, fix, f"{name}_slider_range")
        if self.engine == "embedded" and self.backends:
            title = "engine: embedded and backends exclude each other: nobody could tell which of them draws a job."
            raise mistake("conflict", title, "Write engine: auto, or take backends out.", "engine")
        return self


#: The order of config.yaml: first the design's own groups, then the service's.
GROUPS: Mapping[str, tuple[str, ...]] = {
    "General": ("output_dir", "temp_dir", "log_level"),
    "Models": ("default_checkpoint", "nsfw_checkpoint", "vae"),
    "Video settings": ("default_fps", "default_frames", "max_frames", "video_format", "video_codec"),
    "Generation": ("default_steps", "default_cfg", "default_sampler"),
    "Face swap": ("face_enhancer", "face_swap_model"),
    "NSFW mode": ("nsfw_enabled", "nsfw_safety_filter"),
    "Sliders": ("age_slider_default", "age_slider_range", "body_slider_default", "body_slider_range"),
    "Adult content": ("adult_loras",),
    "Signed results": ("c2pa",),
    "Folders": ("inbox_dir", "state_dir", "workflows_dir", "models_dir", "model_hosts", "media_roots"),
    "Watching the inbox": ("watch",),
    "Rendering": ("backends", "engine", "max_cells", "tasks"),
    "Time windows": ("windows", "task_windows"),
    "Notifications": ("notify",),
}

FOLDERS = ("inbox_dir", "output_dir", "state_dir", "temp_dir", "workflows_dir", "models_dir")
