"""Checkpoints that must be of one class of anomalib."""

from typing import ClassVar

from skuad.detectors._anomalib import AnomalibCheckpointDetector


class EfficientAdCheckpoint(AnomalibCheckpointDetector):
    """`AnomalibCheckpointDetector` that insists on an EfficientAd."""

    _model: ClassVar[str] = "EfficientAd"


class DinomalyCheckpoint(AnomalibCheckpointDetector):
    """`AnomalibCheckpointDetector` that insists on a Dinomaly."""

    _model: ClassVar[str] = "Dinomaly"


class ReverseDistillationCheckpoint(AnomalibCheckpointDetector):
    """`AnomalibCheckpointDetector` that insists on a ReverseDistillation."""

    _model: ClassVar[str] = "ReverseDistillation"


class PadimCheckpoint(AnomalibCheckpointDetector):
    """`AnomalibCheckpointDetector` that insists on a Padim."""

    _model: ClassVar[str] = "Padim"


class PatchcoreCheckpoint(AnomalibCheckpointDetector):
    """`AnomalibCheckpointDetector` that insists on a Patchcore."""

    _model: ClassVar[str] = "Patchcore"
