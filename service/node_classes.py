"""The two closed lists of class names behind the rules of responsible use, and what each class gives out.

Output types are facts read from `GET /object_info` of ComfyUI 0.3.64 with the packs named below; of the classes that
are newer, from the schemas in ComfyUI's comfy_extras (nodes_flux, nodes_hunyuan, nodes_qwen, nodes_ar_video,
nodes_chroma_radiance, nodes_hidream_o1, nodes_logic, nodes_post_processing), which a server of 0.33.0 lists.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

#: Link types that carry something to look at.
MEDIA_TYPES: Final = frozenset({"IMAGE", "MASK", "VIDEO", "LATENT"})
#: What V3 nodes call an output that takes the type of what is linked into them.
AS_LINKED: Final = "COMFY_MATCHTYPE_V3"


def _table(text: str) -> Mapping[str, tuple[str, ...]]:
    return MappingProxyType(dict(_rows(text)))


def _rows(text: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Read lines of the shape `OUTPUT OUTPUT: Class Class`; `-` stands for no output at all."""
    for line in filter(None, map(str.strip, text.splitlines())):
        outputs, _, names = line.partition(":")
        types = tuple(kind for kind in outputs.split() if kind != "-")
        for name in names.split():
            yield name, types


#: Classes that carry nobody's identity from one picture to another.
HARMLESS: Final = _table("""
    MODEL CLIP VAE: CheckpointLoaderSimple
    MODEL CLIP_VISION VAE: ImageOnlyCheckpointLoader
    MODEL CLIP: LoraLoader
    MODEL: LoraLoaderModelOnly UNETLoader ModelSamplingSD3 ModelSamplingFlux ModelSamplingAuraFlow
    MODEL: VideoLinearCFGGuidance VideoTriangleCFGGuidance EasyCache LazyCache FreeU FreeU_V2 RescaleCFG
    MODEL: ContextWindowsManual WanContextWindowsManual
    MODEL: ADE_UseEvolvedSampling ADE_AnimateDiffLoaderGen1 ADE_AnimateDiffLoaderWithContext
    CLIP: CLIPLoader DualCLIPLoader TripleCLIPLoader CLIPSetLastLayer
    VAE: VAELoader
    CLIP_VISION: CLIPVisionLoader
    CLIP_VISION_OUTPUT: CLIPVisionEncode
    UPSCALE_MODEL: UpscaleModelLoader
    INTERP_MODEL: FrameInterpolationModelLoader
    IMAGE: FrameInterpolate
    CONTROL_NET: ControlNetLoader DiffControlNetLoader ACN_ControlNetLoaderAdvanced ACN_SparseCtrlLoaderAdvanced
    SPARSE_METHOD: ACN_SparseCtrlIndexMethodNode ACN_SparseCtrlSpreadMethodNode
    CONDITIONING: CLIPTextEncode CLIPTextEncodeFlux CLIPTextEncodeSDXL CLIPTextEncodeSD3 FluxGuidance ControlNetApply
    CONDITIONING: ConditioningCombine ConditioningConcat ConditioningAverage ConditioningZeroOut
    CONDITIONING: ConditioningSetTimestepRange
    CONDITIONING CONDITIONING: ControlNetApplyAdvanced ACN_AdvancedControlNetApply_v2 ACN_AdvancedControlNetApply
    CONDITIONING CONDITIONING: LTXVConditioning
    CONDITIONING CONDITIONING LATENT: SVD_img2vid_Conditioning WanImageToVideo WanFirstLastFrameToVideo
    CONDITIONING CONDITIONING LATENT: LTXVImgToVideo LTXVAddGuide LTXVCropGuides
    CONDITIONING LATENT: HunyuanImageToVideo
    SAMPLER: KSamplerSelect SamplerEulerAncestral SamplerLCMUpscale
    SIGMAS: LTXVScheduler Flux2Scheduler BasicScheduler KarrasScheduler ExponentialScheduler
    SIGMAS SIGMAS: SplitSigmas
    GUIDER: BasicGuider CFGGuider
    NOISE: RandomNoise DisableNoise
    LATENT: EmptyLatentImage ADE_EmptyLatentImageLarge EmptySD3LatentImage EmptyHunyuanLatentVideo
    LATENT: EmptyLTXVLatentVideo EmptyMochiLatentVideo EmptyCosmosLatentVideo EmptyHunyuanImageLatent
    LATENT: EmptyHunyuanVideo15Latent EmptyFlux2LatentImage EmptyQwenImageLayeredLatentImage EmptyARVideoLatent
    LATENT: EmptyChromaRadianceLatentImage EmptyHiDreamO1LatentImage BatchLatentsNode
    LATENT: Wan22ImageToVideoLatent KSampler KSamplerAdvanced VAEEncode VAEEncodeTiled VAEEncodeForInpaint
    LATENT: RepeatLatentBatch LatentFromBatch LatentBatch LatentUpscale LatentUpscaleBy LatentCrop LatentFlip
    LATENT: LatentBlend LatentComposite LatentAdd LatentMultiply SetLatentNoiseMask TrimVideoLatent
    LATENT: ADE_UpscaleAndVAEEncode VHS_VAEEncodeBatched
    LATENT LATENT: SamplerCustom SamplerCustomAdvanced
    IMAGE: VAEDecode VAEDecodeTiled VHS_VAEDecodeBatched EmptyImage ACN_SparseCtrlRGBPreprocessor
    IMAGE: ImageScale ImageScaleBy ImageScaleToTotalPixels ImageScaleToMaxDimension ImageUpscaleWithModel
    IMAGE: ImageBatch ImageFromBatch RepeatImageBatch RebatchImages ImageInvert ImageCrop ImageFlip ImageRotate
    IMAGE: ImageBlend ImageBlur ImageSharpen ImageQuantize ImageStitch ImageAddNoise ImageCompositeMasked
    IMAGE: BatchImagesNode ResizeAndPadImage MaskToImage LTXVPreprocess DensePosePreprocessor VHS_SelectImages
    IMAGE MASK: LoadImage ImagePadForOutpaint
    IMAGE INT: VHS_SelectEveryNthImage VHS_MergeImages VHS_DuplicateImages
    IMAGE INT IMAGE INT: VHS_SplitImages
    IMAGE POSE_KEYPOINT: DWPreprocessor OpenposePreprocessor
    IMAGE AUDIO FLOAT: GetVideoComponents
    IMAGE INT AUDIO VHS_VIDEOINFO: VHS_LoadVideo
    MASK: LoadImageMask SolidMask InvertMask GrowMask FeatherMask CropMask MaskComposite ThresholdMask ImageToMask
    MASK: BatchMasksNode ImageColorToMask ADE_MultivalConvertToMask
    VIDEO: LoadVideo CreateVideo
    AUDIO: EmptyAudio
    VHS_FILENAMES: VHS_VideoCombine
    FLOAT INT FLOAT INT INT: VHS_VideoInfoLoaded VHS_VideoInfoSource
    FLOAT INT FLOAT INT INT FLOAT INT FLOAT INT INT: VHS_VideoInfo
    INT: VHS_GetImageCount VHS_GetLatentCount PrimitiveInt
    INT INT INT: GetImageSize
    FLOAT: PrimitiveFloat
    STRING: PrimitiveString PrimitiveStringMultiline
    BOOLEAN: PrimitiveBoolean
    MOTION_MODEL_ADE: ADE_LoadAnimateDiffModel
    M_MODELS: ADE_ApplyAnimateDiffModelSimple ADE_ApplyAnimateDiffModel
    M_MODELS: ADE_ApplyAnimateLCMI2VModel ADE_ApplyAnimateDiffModelWithPIA
    MOTION_MODEL_ADE MOTION_MODEL_ADE: ADE_LoadAnimateLCMI2VModel
    MOTION_LORA: ADE_AnimateDiffLoRALoader
    CONTEXT_OPTIONS: ADE_StandardStaticContextOptions ADE_StandardUniformContextOptions
    CONTEXT_OPTIONS: ADE_LoopedUniformContextOptions ADE_BatchedContextOptions ADE_ViewsOnlyContextOptions
    CONTEXT_OPTIONS: ADE_AnimateDiffUniformContextOptions
    VIEW_OPTS: ADE_StandardStaticViewOptions ADE_StandardUniformViewOptions ADE_LoopedUniformViewOptions
    MULTIVAL: ADE_MultivalDynamic ADE_MultivalDynamicFloatInput ADE_MultivalScaledMask
    AD_KEYFRAMES: ADE_AnimateDiffKeyframe
    AD_SETTINGS: ADE_AnimateDiffSettings ADE_AnimateDiffModelSettings
    SAMPLE_SETTINGS: ADE_AnimateDiffSamplingSettings
    COMFY_MATCHTYPE_V3: ComfySwitchNode ResizeImageMaskNode
    -: PreviewImage SaveImage SaveImageWebsocket SaveVideo SaveWEBM SaveAnimatedWEBP SaveAnimatedPNG PreviewAudio
    -: SaveAudio VHS_PruneOutputs
""")

#: Classes that carry a person's face, looks or way of moving into another picture, or that prepare for it.
IDENTITY: Final = _table("""
    IMAGE FACE_MODEL IMAGE: ReActorFaceSwap ReActorFaceSwapOpt
    OPTIONS: ReActorOptions
    IMAGE: ReActorRestoreFace ReActorRestoreFaceAdvanced ReActorSetWeight MagicAnimate
    FACE_BOOST: ReActorFaceBoost
    FACE_MODEL: ReActorLoadFaceModel ReActorBuildFaceModel
    -: ReActorSaveFaceModel ReActorUnload
    IMAGE MASK IMAGE IMAGE: ReActorMaskHelper
    FLOAT STRING: ReActorFaceSimilarity
    MODEL IPADAPTER: IPAdapterUnifiedLoader IPAdapterUnifiedLoaderFaceID IPAdapterUnifiedLoaderCommunity
    IPADAPTER: IPAdapterModelLoader
    INSIGHTFACE: IPAdapterInsightFaceLoader
    MODEL: IPAdapter IPAdapterAdvanced IPAdapterFaceID IPAdapterBatch IPAdapterTiled IPAdapterStyleComposition
    MODEL: WanAnimate2Cache
    LIVEPORTRAITPIPE: DownloadAndLoadLivePortraitModels
    LPCROPPER: LivePortraitLoadCropper LivePortraitLoadMediaPipeCropper LivePortraitLoadFaceAlignmentCropper
    IMAGE CROPINFO: LivePortraitCropper
    IMAGE LP_OUT: LivePortraitProcess
    IMAGE MASK: LivePortraitComposite
    RETARGETINGINFO: LivePortraitRetargeting
    CONDITIONING CONDITIONING LATENT INT INT INT: WanAnimateToVideo WanAnimate2ToVideo
    CONDITIONING CONDITIONING LATENT INT: WanVaceToVideo
    CONDITIONING CONDITIONING CONDITIONING LATENT: WanPhantomSubjectToVideo
    MAGIC_ANIMATE_MODEL: MagicAnimateModelLoader
    PHOTOMAKER: PhotoMakerLoader
    CONDITIONING: PhotoMakerEncode ReferenceLatent
""")

#: Blank material made from numbers alone: no file can hide behind these even when nothing is linked into them.
GENERATORS: Final = frozenset(
    _table("""
    IMAGE: EmptyImage
    MASK: SolidMask
    LATENT: EmptyLatentImage ADE_EmptyLatentImageLarge EmptySD3LatentImage EmptyHunyuanLatentVideo
    LATENT: EmptyLTXVLatentVideo EmptyMochiLatentVideo EmptyCosmosLatentVideo Wan22ImageToVideoLatent
    LATENT: EmptyHunyuanImageLatent EmptyHunyuanVideo15Latent EmptyFlux2LatentImage EmptyQwenImageLayeredLatentImage
    LATENT: EmptyARVideoLatent EmptyChromaRadianceLatentImage EmptyHiDreamO1LatentImage
    CONDITIONING CONDITIONING LATENT: WanImageToVideo WanFirstLastFrameToVideo
    """)
)

#: They hand on what is linked into them and nothing else, whatever its type.
PASSING: Final = frozenset(name for name, outputs in HARMLESS.items() if AS_LINKED in outputs)

#: The loaders that may run, with the one input that names their file.
LOADER_FILE: Final = MappingProxyType(
    {"LoadImage": "image", "LoadImageMask": "image", "LoadVideo": "file", "VHS_LoadVideo": "video"}
)

#: Every other input that a listed loader may have; the last of each are what ComfyUI's editor leaves behind.
LOADER_INPUTS: Final = MappingProxyType(
    {
        "LoadImage": frozenset({"upload", "choose file to upload"}),
        "LoadImageMask": frozenset({"channel", "upload", "choose file to upload"}),
        "LoadVideo": frozenset({"upload", "choose file to upload", "video-preview"}),
        "VHS_LoadVideo": frozenset(
            {
                "force_rate", "force_size", "custom_width", "custom_height", "frame_load_cap", "skip_first_frames",
                "select_every_nth", "format", "vae", "choose video to upload", "videopreview",
            }
        ),
    }
)  # fmt: skip

#: Classes that never run here, whoever asks, and why.
REFUSED: Final = MappingProxyType(
    {
        "VHS_LoadVideoPath": "it reads any path or address of the server",
        "VHS_LoadVideoFFmpegPath": "it reads any path or address of the server",
        "VHS_LoadImagePath": "it reads any path or address of the server",
        "VHS_LoadImagesPath": "it reads any folder of the server",
        "VHS_LoadImages": "it reads a whole folder of the server",
        "VHS_LoadAudio": "it reads any path or address of the server",
        "LoadAudio": "it reads a sound that isn't one of the job's media",
        "VHS_LoadAudioUpload": "it reads a sound that isn't one of the job's media",
        "LoadImageOutput": "it reads what earlier jobs left on the server",
        "LoadLatent": "it reads a file that can't be screened",
        "VHS_BatchManager": "it queues the job again under an id that nobody follows",
    }
)
