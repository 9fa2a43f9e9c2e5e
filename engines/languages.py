"""The languages Whisper knows: ISO 639-1 codes (two are longer) and their lowercase English names, from
openai/whisper's tokenizer.py, and what else they are called."""

import re

LANGUAGES: dict[str, str] = {
    "en": "english", "zh": "chinese", "de": "german", "es": "spanish", "ru": "russian", "ko": "korean",
    "fr": "french", "ja": "japanese", "pt": "portuguese", "tr": "turkish", "pl": "polish", "ca": "catalan",
    "nl": "dutch", "ar": "arabic", "sv": "swedish", "it": "italian", "id": "indonesian", "hi": "hindi",
    "fi": "finnish", "vi": "vietnamese", "he": "hebrew", "uk": "ukrainian", "el": "greek", "ms": "malay",
    "cs": "czech", "ro": "romanian", "da": "danish", "hu": "hungarian", "ta": "tamil", "no": "norwegian",
    "th": "thai", "ur": "urdu", "hr": "croatian", "bg": "bulgarian", "lt": "lithuanian", "la": "latin",
    "mi": "maori", "ml": "malayalam", "cy": "welsh", "sk": "slovak", "te": "telugu", "fa": "persian",
    "lv": "latvian", "bn": "bengali", "sr": "serbian", "az": "azerbaijani", "sl": "slovenian", "kn": "kannada",
    "et": "estonian", "mk": "macedonian", "br": "breton", "eu": "basque", "is": "icelandic", "hy": "armenian",
    "ne": "nepali", "mn": "mongolian", "bs": "bosnian", "kk": "kazakh", "sq": "albanian", "sw": "swahili",
    "gl": "galician", "mr": "marathi", "pa": "punjabi", "si": "sinhala", "km": "khmer", "sn": "shona",
    "yo": "yoruba", "so": "somali", "af": "afrikaans", "oc": "occitan", "ka": "georgian", "be": "belarusian",
    "tg": "tajik", "sd": "sindhi", "gu": "gujarati", "am": "amharic", "yi": "yiddish", "lo": "lao",
    "uz": "uzbek", "fo": "faroese", "ht": "haitian creole", "ps": "pashto", "tk": "turkmen", "nn": "nynorsk",
    "mt": "maltese", "sa": "sanskrit", "lb": "luxembourgish", "my": "myanmar", "bo": "tibetan", "tl": "tagalog",
    "mg": "malagasy", "as": "assamese", "tt": "tatar", "haw": "hawaiian", "ln": "lingala", "ha": "hausa",
    "ba": "bashkir", "jw": "javanese", "su": "sundanese", "yue": "cantonese",
}  # fmt: skip


# Withdrawn codes, which Java and Android still use, macro languages, and codes that Whisper has under another one.
_OTHER_CODES = {
    "iw": "he", "in": "id", "ji": "yi", "mo": "ro", "nb": "no", "jv": "jw", "fil": "tl", "cmn": "zh",
}  # fmt: skip
# As openai/whisper's tokenizer.py has them.
_OTHER_NAMES = {
    "burmese": "my", "valencian": "ca", "flemish": "nl", "haitian": "ht", "letzeburgesch": "lb", "pushto": "ps",
    "panjabi": "pa", "moldavian": "ro", "moldovan": "ro", "sinhalese": "si", "castilian": "es", "mandarin": "zh",
}  # fmt: skip
_CODES = {name: code for code, name in LANGUAGES.items()} | {code: code for code in LANGUAGES}
_CODES |= _OTHER_CODES | _OTHER_NAMES
_REGIONAL = re.compile(r"([a-z]{2,3})(?:[-_][a-z0-9]{1,8})+")  # BCP 47: en-US, zh_Hant, sr-Latn-RS


def language_code(text: str) -> str | None:
    """The code for a code, with a region or without, or an English name, in any case ("EN", "pt_BR", "German"); None
    for an unknown one."""
    wanted = text.strip().lower()
    regional = _REGIONAL.fullmatch(wanted)
    return _CODES.get(regional[1] if regional else wanted)
