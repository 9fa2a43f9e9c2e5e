"""Chinese, Japanese, Thai and Arabic from the model's tokens to subtitles: lines break where the script breaks.

The tokens are those of the real tokenizer, which cuts signs in pieces. They are not heard: the only voices in packages
for all four are so poor that base writes down something else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest
from faster_whisper.tokenizer import Tokenizer
from tokenizers import Tokenizer as Vocabulary

from api.answers.cues import Cue, cues
from api.answers.line_breaks import columns
from engines.text.script_breaks import LEADING, continues
from engines.text.segments import segments_of
from engines.text.words import TimedToken, words_of
from engines.transcript import Word
from tests.unit.factories import make_result, make_transcript, make_window

EACH = 0.12  # seconds a token

# What was said, with a bar wherever a line may break.
SAID = {
    "zh": "大家|早上好，|感谢|各位|在|这么|短|的|时间|内|参加|今天|的|会议。|第一个|议题|是|北方|仓库|的|交货|"
    "延误|问题，|我们|的|供应商|说|钢架|要|比|原来|约定|的|时间|晚|两个|星期|才能|送到，|希望|大家|可以|理解|并且|提前|"
    "做好|准备。",
    "ja": "皆さん、|おはようございます。|本日は|お忙しい|ところ|お集まり|いただき、|ありがとうございます。|"
    "最初の|議題は、|北の|倉庫の|納期の|遅れに|ついてですが、|部品は|予定より|二週間|遅れて|届く|そうですので、|"
    "皆さんの|ご協力を|お願い|いたします。",
    "th": "สวัสดี|ตอนเช้า|ทุกท่าน| ขอบคุณ|ที่|มาร่วม|ประชุม|ใน|วันนี้| วาระ|แรก|คือ|ความ|ล่าช้า|ของ|คลัง|สินค้า|"
    "ทาง|ภาค|เหนือ|ซึ่ง|ผู้|ขาย|แจ้ง|ว่า|ชิ้น|ส่วน|จะ|มา|ถึง|ช้า|กว่า|กำหนด|สอง|สัปดาห์",
    "ar": "صباح| الخير| جميعا،| وشكرا| لكم| على| الحضور| في| هذا| الوقت| القصير.| البند| الأول| في| جدول| الأعمال|"
    " هو| التأخير| في| المستودع| الشمالي،| وقال| لنا| المورد| إن| القطع| سوف| تصل| بعد| أسبوعين| من| الموعد| المحدد.",
}

Words = tuple[tuple[Word, ...], tuple[tuple[int, ...], ...]]


def of_the_library(tokenizer: Tokenizer, tokens: Sequence[int]) -> Words:
    """As faster-whisper groups them."""
    texts, groups = tokenizer.split_to_word_tokens([*tokens, tokenizer.eot])
    ends = list(accumulate(len(group) * EACH for group in groups))
    words = [
        Word(text, end - len(group) * EACH, end, 0.9) for text, group, end in zip(texts, groups, ends, strict=True)
    ]
    return tuple(words[:-1]), tuple(tuple(group) for group in groups[:-1])


def of_ours(tokenizer: Tokenizer, tokens: Sequence[int]) -> Words:
    """As the other engines do."""
    timed = [
        TimedToken(token, _bytes(tokenizer, token), at * EACH, (at + 1) * EACH, 0.9) for at, token in enumerate(tokens)
    ]
    return words_of(timed, tokenizer.language_code)


def _bytes(tokenizer: Tokenizer, token: int) -> bytes:
    """A token's bytes, out of the signs that stand for them in the vocabulary."""
    signs = {sign: byte for byte, sign in _byte_signs()}
    return bytes(signs[sign] for sign in tokenizer.tokenizer.id_to_token(token))


def _byte_signs() -> Iterator[tuple[int, str]]:
    """GPT-2's: printable ones for themselves, the others from U+0100 on."""
    shown = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [byte for byte in range(256) if byte not in shown]
    yield from ((byte, chr(byte)) for byte in shown)
    yield from ((byte, chr(256 + number)) for number, byte in enumerate(hidden))


def subtitles(tokenizer: Tokenizer, text: str, group: Callable[[Tokenizer, Sequence[int]], Words]) -> list[Cue]:
    language = tokenizer.language_code
    tokens = tokenizer.encode(text)
    words, word_tokens = group(tokenizer, tokens)
    assert "".join(word.text for word in words) == text
    heard: dict[str, Any] = {"language": language, "tokens": tuple(tokens), "words": words, "word_tokens": word_tokens}
    window = replace(make_window(seconds=len(tokens) * EACH), speech=())
    segments = tuple(segments_of(window, make_result(text, **heard), 0, 0.0))
    return list(cues(replace(make_transcript(segments=segments), language=language)))


@pytest.fixture(scope="module")
def vocabulary(base_model: Path) -> Vocabulary:
    return Vocabulary.from_file(str(base_model / "tokenizer.json"))


@pytest.mark.parametrize("group", [of_the_library, of_ours])
@pytest.mark.parametrize("language", SAID)
def test_lines_break_where_the_script_breaks(
    vocabulary: Vocabulary, language: str, group: Callable[[Tokenizer, Sequence[int]], Words]
) -> None:
    tokenizer = Tokenizer(vocabulary, multilingual=True, task="transcribe", language=language)
    text = SAID[language].replace("|", "")
    found = subtitles(tokenizer, text, group)
    lines = [line for cue in found for line in cue.lines]
    assert "".join(lines).replace(" ", "") == text.replace(" ", ""), "nothing is lost, and no sign is cut"
    assert len(lines) > 2
    may_end = set(accumulate(len(piece.replace(" ", "")) for piece in SAID[language].split("|")))
    ends = list(accumulate(len(line.replace(" ", "")) for line in lines))
    assert set(ends) <= may_end, lines
    for cue in found:
        assert cue.end - cue.start <= 7
        assert len(cue.lines) <= 2
        assert all(columns(line) <= 42 for line in cue.lines)


@pytest.mark.parametrize("group", [of_the_library, of_ours])
@pytest.mark.parametrize("text", ["สำ" + "สัญ" * 45, "เมืองน้ำ" * 30])
def test_no_line_begins_with_a_mark_though_nothing_says_where_to_break(
    vocabulary: Vocabulary, text: str, group: Callable[[Tokenizer, Sequence[int]], Words]
) -> None:
    """A model that goes in circles writes such things, and its tokens are parts of signs."""
    tokenizer = Tokenizer(vocabulary, multilingual=True, task="transcribe", language="th")
    found = subtitles(tokenizer, text, group)
    lines = [line for cue in found for line in cue.lines]
    assert "".join(lines) == text
    assert len(lines) > 2
    assert [line for line in lines if continues(line[0]) or line[-1] in LEADING] == []
    assert all(columns(line) <= 42 for line in lines)
    assert [word.text for cue in found for word in cue.words if continues(word.text[0])] == []
