"""Which of a recording's voices are people that the request knows, by their references."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engines.speakers.clustering import Voiced, cluster
from engines.speakers.turns import Reference
from engines.speakers.voice_piece import Embedding, decoded

LIKENESS = 0.5  # cosine of a reference and a voice's centroid from which they are one person
UNLIKE = 0.4  # … of two voices in a reference below which they are two people; in those of one it was never under 0.53


def is_of_several(heard: Sequence[tuple[Embedding, float]]) -> bool:
    """Whether two people speak in a reference, each for two seconds. heard: pieces of it with their seconds."""
    if not heard:
        return False
    embeddings, numbers = np.stack([embedding for embedding, _ in heard]), np.arange(len(heard))
    seconds = np.array([seconds for _, seconds in heard], np.float32)
    centroids = cluster(Voiced(embeddings, seconds, numbers, np.zeros_like(numbers)))
    return float((centroids @ centroids.T).min()) < UNLIKE


def known(references: Sequence[Reference], centroids: NDArray[np.float32]) -> dict[int, str]:
    """The index of a centroid -> the name. The most alike first; a name and a voice are taken once."""
    found: dict[int, str] = {}
    if not references or not len(centroids):
        return found
    likeness = np.stack([decoded(each.voiceprint) for each in references]) @ centroids.T
    for number in np.argsort(-likeness, axis=None, kind="stable"):
        row, column = divmod(int(number), likeness.shape[1])
        if likeness[row, column] < LIKENESS:
            break
        name = references[row].name
        if column not in found and name not in found.values():
            found[column] = name
    return found
