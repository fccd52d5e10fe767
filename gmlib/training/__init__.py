"""Training: one loop for everything longer than a demo, exact on resume, on one process or several.

>>> from gmlib.training import Task, TrainConfig, train
"""

from gmlib.training.config import Task, TrainConfig
from gmlib.training.loop import CHECKPOINT, TrainResult, train
from gmlib.training.memory import OutOfMemory
from gmlib.training.monitor import TrainingDiverged
from gmlib.training.processes import resolve_device

__all__ = [
    "CHECKPOINT",
    "OutOfMemory",
    "Task",
    "TrainConfig",
    "TrainResult",
    "TrainingDiverged",
    "resolve_device",
    "train",
]
