"""Checkpoints that must be of one class of anomalib."""

from typing import ClassVar

from skuad.detectors._anomalib import AnomalibCheckpointDetector


class EfficientAdCheckpoint(AnomalibCheckpointDetector):
    """An `AnomalibCheckpointDetector` for checkpoints of EfficientAd only."""

    _model: ClassVar[str] = "EfficientAd"


class DinomalyCheckpoint(AnomalibCheckpointDetector):
    """An `AnomalibCheckpointDetector` for checkpoints of Dinomaly only."""

    _model: ClassVar[str] = "Dinomaly"


class ReverseDistillationCheckpoint(AnomalibCheckpointDetector):
    """An `AnomalibCheckpointDetector` for checkpoints of ReverseDistillation only."""

    _model: ClassVar[str] = "ReverseDistillation"


class PadimCheckpoint(AnomalibCheckpointDetector):
    """An `AnomalibCheckpointDetector` for checkpoints of Padim only."""

    _model: ClassVar[str] = "Padim"


class PatchcoreCheckpoint(AnomalibCheckpointDetector):
    """An `AnomalibCheckpointDetector` for checkpoints of Patchcore only."""

    _model: ClassVar[str] = "Patchcore"
