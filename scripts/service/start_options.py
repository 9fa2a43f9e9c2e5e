"""Options of the commands that start the service, and the settings they override."""

from __future__ import annotations

# option -> the setting it overrides for this start, and what it is
OPTIONS = {
    "port": ("NATIVE_WHISPER_PORT", "port to listen on"),
    "host": ("NATIVE_WHISPER_HOST", "address to listen on"),
    "model": ("WHISPER_MODEL", "model name, Hugging Face id or directory"),
    "device": ("WHISPER_DEVICE", "auto, cpu, cuda, cuda:1 ..."),
    "compute-type": ("WHISPER_COMPUTE_TYPE", "auto, int8, float16, float32 ..."),
    "only": ("WHISPER_ROLES", "parts that run here, beside others elsewhere: api,webhooks or worker"),
    "engine": ("WHISPER_ENGINE", "which engine decodes"),
}
