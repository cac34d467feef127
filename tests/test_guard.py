import copy
import json
from pathlib import Path

import pytest

from service.guard import check_graph
from service.node_classes import (
    GENERATORS,
    HARMLESS,
    IDENTITY,
    LOADER_FILE,
    LOADER_INPUTS,
    MEDIA_TYPES,
    REFUSED,
)

FILE = "reeldrop/0198/cat.png [temp]"
WORKFLOWS = Path(__file__).parent.parent / "workflows"

#: Every class of the fifteen graphs that the workflow library is planned on.
PLANNED_HARMLESS = """
    ACN_AdvancedControlNetApply_v2 ACN_ControlNetLoaderAdvanced ACN_SparseCtrlIndexMethodNode
    ACN_SparseCtrlLoaderAdvanced ACN_SparseCtrlRGBPreprocessor ADE_ApplyAnimateDiffModelSimple
    ADE_LoadAnimateDiffModel ADE_StandardStaticContextOptions ADE_UseEvolvedSampling CLIPLoader CLIPTextEncode
    CLIPVisionEncode CLIPVisionLoader CheckpointLoaderSimple CreateVideo DWPreprocessor DensePosePreprocessor
    EmptyLTXVLatentVideo EmptyLatentImage ImageFromBatch ImageOnlyCheckpointLoader ImageScale KSampler
    KSamplerAdvanced KSamplerSelect LTXVConditioning LTXVScheduler LoadImage LoraLoaderModelOnly ModelSamplingSD3
    SVD_img2vid_Conditioning SamplerCustom SaveImage SaveVideo TrimVideoLatent UNETLoader VAEDecode VAELoader
    VHS_LoadVideo VHS_VideoCombine VHS_VideoInfoLoaded VideoLinearCFGGuidance Wan22ImageToVideoLatent WanImageToVideo
"""
PLANNED_IDENTITY = """
    DownloadAndLoadLivePortraitModels IPAdapterAdvanced IPAdapterUnifiedLoader LivePortraitComposite
    LivePortraitCropper LivePortraitLoadCropper LivePortraitProcess MagicAnimate MagicAnimateModelLoader
    ReActorFaceSwapOpt ReActorFaceSwap ReActorOptions WanAnimate2ToVideo WanAnimateToVideo
"""
#: What the embedded engine has besides.
ENGINE = """
    ImageScaleBy ImageBatch ImageInvert EmptyImage RepeatImageBatch RepeatLatentBatch SolidMask PreviewImage
    SaveImageWebsocket LoadVideo GetVideoComponents SaveWEBM SaveAnimatedWEBP SaveAnimatedPNG VAEEncode
    VAEDecodeTiled CLIPSetLastLayer LoraLoader ADE_StandardUniformContextOptions ADE_LoopedUniformContextOptions
    ADE_AnimateDiffLoRALoader ADE_AnimateDiffLoaderGen1 LTXVImgToVideo UpscaleModelLoader ImageUpscaleWithModel
    ContextWindowsManual WanContextWindowsManual ControlNetLoader ControlNetApplyAdvanced
"""


def graph(loader="LoadImage", **inputs):
    """Loaded file -> VAE -> sampler -> decoded -> saved; `inputs` replace those of the loader."""
    name = LOADER_FILE.get(loader, "image")
    return {
        "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "m.safetensors"}},
        "2": {"class_type": loader, "inputs": inputs or {name: FILE}},
        "3": {"class_type": "VAEEncode", "inputs": {"pixels": ["2", 0], "vae": ["1", 2]}},
        "4": {"class_type": "KSampler", "inputs": {"model": ["1", 0], "latent_image": ["3", 0], "seed": 1}},
        "5": {"class_type": "VAEDecode", "inputs": {"samples": ["4", 0], "vae": ["1", 2]}},
        "6": {"class_type": "SaveImage", "inputs": {"images": ["5", 0], "filename_prefix": "x"}},
    }


def codes(problems):
    return sorted({problem.code for problem in problems})


def adding(*nodes):
    made = graph()
    made.update({f"x{number}": node for number, node in enumerate(nodes)})
    return made


def test_a_harmless_graph_that_loads_only_its_own_file_may_run():
    assert check_graph(graph(), {FILE}) == ()


@pytest.mark.parametrize("name", ["text_to_video_basic", "image_to_video_svd"])
def test_the_shipped_workflows_may_run(name):
    shipped = json.loads((WORKFLOWS / f"{name}.json").read_text())
    for node in shipped.values():
        if node["class_type"] in LOADER_FILE:
            node["inputs"][LOADER_FILE[node["class_type"]]] = FILE
    assert check_graph(shipped, {FILE}) == ()


def test_the_lists_are_closed_disjoint_and_cover_what_is_planned():
    assert set(PLANNED_HARMLESS.split() + ENGINE.split()) <= set(HARMLESS)
    assert set(PLANNED_IDENTITY.split()) <= set(IDENTITY)
    assert not set(HARMLESS) & set(IDENTITY)
    assert not (set(HARMLESS) | set(IDENTITY)) & set(REFUSED)
    assert set(HARMLESS) >= GENERATORS
    assert set(LOADER_FILE) == set(LOADER_INPUTS) <= set(HARMLESS)
    assert not GENERATORS & set(LOADER_FILE)


def test_only_the_listed_loaders_and_generators_can_start_a_picture():
    """Each other class that gives out something to look at is refused when nothing of that kind is linked into it."""
    for name, outputs in HARMLESS.items():
        alone = {"1": {"class_type": name, "inputs": {"vae": ["2", 0]}}, "2": {"class_type": "VAELoader", "inputs": {}}}
        expected = bool(MEDIA_TYPES & set(outputs)) and name not in GENERATORS
        assert (check_graph(alone, {FILE}) != ()) is expected, name


@pytest.mark.parametrize("name", PLANNED_IDENTITY.split())
def test_an_identity_class_needs_consent(name):
    problems = check_graph(adding({"class_type": name, "inputs": {"image": ["2", 0]}}), {FILE})
    assert codes(problems) == ["consent_missing"]
    assert name in problems[0].title
    assert "identity" in problems[0].title
    assert problems[0].fix


def test_a_class_on_neither_list_means_identity():
    problems = check_graph(adding({"class_type": "SomebodysNode", "inputs": {"image": ["2", 0]}}), {FILE})
    assert codes(problems) == ["consent_missing"]
    assert "SomebodysNode" in problems[0].title


def test_an_identity_node_counts_although_nothing_is_connected_to_it():
    assert codes(check_graph(adding({"class_type": "ReActorOptions", "inputs": {}}), {FILE})) == ["consent_missing"]


@pytest.mark.parametrize(
    "name",
    ["L\u043eadImage", "LoadImage ", "loadimage", "KSampler\u200b", "\uff2c\uff4f\uff41\uff44Image", "VAEDecode\n"],
)
def test_a_name_that_only_looks_like_a_harmless_one_is_unknown(name):
    assert "consent_missing" in codes(check_graph(adding({"class_type": name, "inputs": {"image": ["2", 0]}}), {FILE}))


@pytest.mark.parametrize(
    "reference",
    [
        "other.png",
        "reeldrop/0198/cat.png",
        "reeldrop/0198/cat.png [output]",
        "reeldrop/0198/cat.png [input]",
        "reeldrop/0198/./cat.png [temp]",
        " reeldrop/0198/cat.png [temp]",
        "/etc/passwd",
        "../../secret.png [temp]",
        ["5", 0],
        [FILE],
        [FILE, 0],
        {"__value__": [FILE]},
        None,
        7,
        True,
    ],
)
@pytest.mark.parametrize("loader", sorted(LOADER_FILE))
def test_a_loader_of_anything_but_the_jobs_own_file_is_refused(loader, reference):
    problems = check_graph(graph(loader, **{LOADER_FILE[loader]: reference}), {FILE})
    assert "loader_refused" in codes(problems)


@pytest.mark.parametrize("loader", sorted(LOADER_FILE))
def test_a_loader_without_its_file_is_refused(loader):
    made = graph(loader)
    made["2"]["inputs"] = {}
    assert codes(check_graph(made, {FILE})) == ["loader_refused"]
    del made["2"]["inputs"]
    assert codes(check_graph(made, {FILE})) == ["loader_refused"]


@pytest.mark.parametrize(
    "extra",
    [{"vae2": ["1", 2]}, {"pixels": ["7", 0]}, {"image2": "other.png"}, {"video": "/x"}, {"meta_batch": ["8", 0]}],
)
def test_an_input_that_a_loader_does_not_know_is_refused(extra):
    """A link of a media type into a loader would make it look like something that only passes pictures on."""
    made = graph(image=FILE, **extra)
    made["7"] = {"class_type": "EmptyImage", "inputs": {"width": 8, "height": 8, "batch_size": 1, "color": 0}}
    assert "loader_refused" in codes(check_graph(made, {FILE}))


def test_a_link_of_an_unrelated_type_does_not_make_a_loader_harmless():
    made = graph("VHS_LoadVideo", video="other.mp4", vae=["1", 2])
    assert codes(check_graph(made, {FILE})) == ["loader_refused"]
    made = graph("VHS_LoadVideo", video=FILE, vae=["1", 2], force_rate=12, format="AnimateDiff")
    assert check_graph(made, {FILE}) == ()


@pytest.mark.parametrize(
    "role_file",
    ["x.png [output]", "/etc/x.png", "../x.png [temp]", "a\\..\\x.png", "C:x.png", "http://h/x.png", "a\nb"],
)
def test_a_reference_that_no_upload_of_ours_can_have_is_refused_even_as_a_role(role_file):
    assert codes(check_graph(graph(image=role_file), {role_file})) == ["loader_refused"]


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_classes_that_read_beyond_the_jobs_files_never_run(name):
    problems = check_graph(adding({"class_type": name, "inputs": {"video": FILE, "image": ["2", 0]}}), {FILE})
    assert codes(problems) == ["loader_refused"]
    assert name in problems[0].title


@pytest.mark.parametrize(
    "link", [["9", 0], ["1", 0], ["1", 2], ["2", -1], ["2", 9], ["2", True], ["2"], "2", ["2", "0"]]
)
def test_a_node_that_gives_out_pictures_needs_a_link_that_carries_some(link):
    made = graph()
    made["3"]["inputs"]["pixels"] = link
    assert codes(check_graph(made, {FILE})) == ["loader_refused"]


def test_an_unknown_class_that_gives_out_pictures_is_a_loader_unless_the_server_says_otherwise():
    alone = adding({"class_type": "TheirLoader", "inputs": {"seed": 3}})
    assert codes(check_graph(alone, {FILE})) == ["consent_missing", "loader_refused"]
    assert codes(check_graph(alone, {FILE}, {"TheirLoader": ["IMAGE"]})) == ["consent_missing", "loader_refused"]
    assert codes(check_graph(alone, {FILE}, {"TheirLoader": ["*"]})) == ["consent_missing", "loader_refused"]
    assert codes(check_graph(alone, {FILE}, {"TheirLoader": ["STRING"]})) == ["consent_missing"]


@pytest.mark.parametrize(
    "value", ["/srv/x.png", "C:\\x.png", "https://h/x.png", "a/../../x.png", FILE, "x [output]", ["/srv/x.png"]]
)
def test_a_file_or_address_of_its_own_in_an_unknown_class_is_refused(value):
    made = adding({"class_type": "TheirNode", "inputs": {"image": ["2", 0], "reference": value}})
    assert codes(check_graph(made, {FILE})) == ["consent_missing", "loader_refused"]


def test_the_server_can_not_talk_a_loader_into_being_none():
    told = {"LoadImage": ["STRING"], "ReActorFaceSwap": ["STRING"]}
    assert codes(check_graph(graph(image="other.png"), {FILE}, told)) == ["loader_refused"]


def test_a_harmless_class_that_suddenly_gives_out_pictures_is_a_loader():
    made = adding({"class_type": "PrimitiveString", "inputs": {"value": "other.png"}})
    assert check_graph(made, {FILE}, {"PrimitiveString": ["STRING"]}) == ()
    assert codes(check_graph(made, {FILE}, {"PrimitiveString": ["IMAGE"]})) == ["loader_refused"]


def test_newer_servers_whose_save_nodes_hand_pictures_on_change_nothing():
    made = adding({"class_type": "ImageInvert", "inputs": {"image": ["6", 0]}})
    assert check_graph(made, {FILE}, {"SaveImage": ["IMAGE"]}) == ()
    assert codes(check_graph(made, {FILE})) == ["loader_refused"]


@pytest.mark.parametrize("value", [None, [], {}, "x", {"1": None}, {"1": []}, {"1": {"class_type": 3, "inputs": []}}])
def test_what_is_no_graph_is_a_problem_and_no_crash(value):
    assert codes(check_graph(value, {FILE})) == ["bad_graph"]


def test_blank_material_and_plain_text_need_no_file():
    made = {
        "1": {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 64, "batch_size": 8, "color": 0}},
        "2": {"class_type": "ImageScale", "inputs": {"image": ["1", 0]}},
        "3": {"class_type": "Wan22ImageToVideoLatent", "inputs": {"width": 64}},
        "4": {"class_type": "CLIPTextEncode", "inputs": {"text": "/etc/passwd ../ [output] https://x"}},
        "5": {"class_type": "VHS_VideoCombine", "inputs": {"images": ["2", 0]}},
    }
    assert check_graph(made, ()) == ()


def test_the_graph_is_only_read():
    made = graph()
    before = copy.deepcopy(made)
    check_graph(made, {FILE})
    assert made == before


#: What a server of 0.33.0 tells of them.
NEW_LATENTS = """
    EmptyHunyuanImageLatent EmptyHunyuanVideo15Latent EmptyFlux2LatentImage EmptyQwenImageLayeredLatentImage
    EmptyARVideoLatent EmptyChromaRadianceLatentImage EmptyHiDreamO1LatentImage
"""
HANDED_ON = {"ComfySwitchNode": ["COMFY_MATCHTYPE_V3"], "ResizeImageMaskNode": ["COMFY_MATCHTYPE_V3"]}


@pytest.mark.parametrize("name", NEW_LATENTS.split())
def test_the_newest_empty_latents_need_no_file(name):
    made = graph()
    made["3"] = {"class_type": name, "inputs": {"width": 64, "height": 64, "batch_size": 1}}
    assert check_graph(made, {FILE}, {name: ["LATENT"]}) == ()
    made["3"]["inputs"]["image"] = "../theirs.png"
    assert check_graph(made, {FILE}) == (), "a generator reads no file, whatever stands in its inputs"


def through(node, **source):
    """Loaded file (or another `source`) -> a node that hands on -> VAE -> ..."""
    made = graph()
    made["2"] = source or made["2"]
    made["h"] = node
    made["3"]["inputs"]["pixels"] = ["h", 0]
    return made


@pytest.mark.parametrize(
    "node",
    [
        {"class_type": "ResizeImageMaskNode", "inputs": {"input": ["2", 0], "resize_type": "scale longer dimension"}},
        {"class_type": "ComfySwitchNode", "inputs": {"switch": True, "on_true": ["2", 0], "on_false": ["2", 0]}},
        {"class_type": "BatchImagesNode", "inputs": {"images.image0": ["2", 0], "images.image1": ["2", 0]}},
    ],
)
def test_what_is_handed_on_is_what_was_linked_in(node):
    assert check_graph(through(node), {FILE}, HANDED_ON) == ()
    assert check_graph(through(node), {FILE}) == ()
    nothing = {**node, "inputs": dict.fromkeys(node["inputs"], "theirs.png")}
    assert codes(check_graph(through(nothing), {FILE}, HANDED_ON)) == ["loader_refused"]
    text = {"class_type": "PrimitiveString", "inputs": {"value": "theirs.png"}}
    assert codes(check_graph(through(node, **text), {FILE}, HANDED_ON)) == ["loader_refused"]
    theirs = {"class_type": "LoadImage", "inputs": {"image": "theirs.png"}}
    assert codes(check_graph(through(node, **theirs), {FILE}, HANDED_ON)) == ["loader_refused"]


def test_a_switch_hands_on_what_is_no_picture_too():
    made = graph()
    made["h"] = {"class_type": "ComfySwitchNode", "inputs": {"on_true": ["1", 0], "on_false": ["1", 0]}}
    made["4"]["inputs"]["model"] = ["h", 0]
    assert check_graph(made, {FILE}, HANDED_ON) == ()


def test_a_ring_of_switches_hands_on_nothing():
    made = through({"class_type": "ComfySwitchNode", "inputs": {"on_true": ["g", 0], "on_false": ["h", 0]}})
    made["g"] = {"class_type": "ComfySwitchNode", "inputs": {"on_true": ["h", 0]}}
    assert codes(check_graph(made, {FILE}, HANDED_ON)) == ["loader_refused"]
    assert codes(check_graph(made, {FILE}, unseen=True)) == ["loader_refused"]


def test_a_switch_that_a_server_calls_a_source_of_pictures_must_take_one():
    alone = adding({"class_type": "ComfySwitchNode", "inputs": {"switch": True}})
    assert check_graph(alone, {FILE}, HANDED_ON) == ()
    assert codes(check_graph(alone, {FILE}, {"ComfySwitchNode": ["IMAGE"]})) == ["loader_refused"]


@pytest.mark.parametrize("outputs", [["COMFY_MATCHTYPE_V3"], ["*"], ["IMAGE,MASK"], ["STRING", "INT,VIDEO"]])
def test_an_unknown_class_whose_output_may_be_a_picture_must_take_one(outputs):
    alone = adding({"class_type": "TheirSwitch", "inputs": {"file": "theirs.png"}})
    assert codes(check_graph(alone, {FILE}, {"TheirSwitch": outputs}, consent=True)) == ["loader_refused"]
    fed = adding({"class_type": "TheirSwitch", "inputs": {"any": ["2", 0]}})
    assert check_graph(fed, {FILE}, {"TheirSwitch": outputs}, consent=True) == ()
    assert codes(check_graph(fed, {FILE}, {"TheirSwitch": outputs})) == ["consent_missing"]


def test_before_any_server_was_seen_a_switch_hides_no_unknown_class():
    made = through(HANDED_NODE, class_type="TheirLoader", inputs={})
    assert len(check_graph(made, {FILE}, consent=True, unseen=True)) == 0
    assert codes(check_graph(made, {FILE}, {"TheirLoader": ["IMAGE"]}, consent=True)) == ["loader_refused"]


HANDED_NODE = {"class_type": "ComfySwitchNode", "inputs": {"on_true": ["2", 0], "on_false": ["2", 0]}}


def test_before_any_server_was_seen_only_what_hangs_on_unknown_classes_is_left_for_later():
    alone = {"1": {"class_type": "TheirLoader", "inputs": {}}, "2": {"class_type": "VAEEncode", "inputs": {}}}
    known = {"1": {"class_type": "VAEDecode", "inputs": {}}}
    fed = {**alone, "2": {"class_type": "VAEEncode", "inputs": {"pixels": ["1", 0]}}}
    assert codes(check_graph(alone, {FILE}, consent=True)) == ["loader_refused"]
    assert len(check_graph(alone, {FILE}, consent=True, unseen=True)) == 1
    assert check_graph(fed, {FILE}, consent=True, unseen=True) == ()
    assert codes(check_graph(fed, {FILE}, {"TheirLoader": ["STRING"]}, consent=True)) == ["loader_refused"]
    told = {"TheirLoader": ["IMAGE"]}
    assert codes(check_graph(fed, {FILE}, told, consent=True, unseen=True)) == ["loader_refused"], "it is told of now"
    assert codes(check_graph(known, {FILE}, unseen=True)) == ["loader_refused"]
    assert codes(check_graph(graph(image="theirs.png"), {FILE}, unseen=True)) == ["loader_refused"]
    assert codes(check_graph(fed, {FILE}, unseen=True)) == ["consent_missing"]
    away = {"1": {"class_type": "TheirLoader", "inputs": {"path": "/etc/passwd"}}}
    assert codes(check_graph(away, {FILE}, consent=True, unseen=True)) == ["loader_refused"]


def test_consent_opens_nothing_but_identity():
    made = adding({"class_type": "ReActorOptions", "inputs": {}}, {"class_type": "VHS_LoadVideoPath", "inputs": {}})
    assert codes(check_graph(made, {FILE})) == ["consent_missing", "loader_refused"]
    assert codes(check_graph(made, {FILE}, consent=True)) == ["loader_refused"]
    assert check_graph(adding({"class_type": "ReActorOptions", "inputs": {}}), {FILE}, consent=True) == ()
    assert codes(check_graph(graph(image="theirs.png"), {FILE}, consent=True)) == ["loader_refused"]


def test_what_is_named_first_is_what_is_known_to_carry_an_identity():
    made = adding({"class_type": "Unheard", "inputs": {}}, {"class_type": "ReActorFaceSwap", "inputs": {}})
    problem = check_graph(made, {FILE})[0]
    assert problem.title.startswith("consent is missing: the workflow's node 'x1' (ReActorFaceSwap) carries a person's")
    assert problem.title.endswith("(1 more nodes count so too).")
    assert (problem.field, problem.code) == ("consent", "consent_missing")
