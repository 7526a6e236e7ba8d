"""Events as a training might report them, to be changed where a test needs it."""

from cifar_core.events import EpochCompleted, Evaluated, RunStarted


def run_started(**changes):
    figures = {
        "time": 100.0,
        "run_id": "r",
        "experiment": "mine",
        "model": "lenet-notes",
        "parameters": 62_006,
        "multiply_adds": 1,
        "device": "cpu",
        "threads": 1,
        "train_images": 50_000,
        "val_images": 0,
        "test_images": 10_000,
        "classes": ("a", "b"),
        "epochs": 2,
        "batch_size": 4,
        "steps_per_epoch": 12_500,
        "total_steps": 25_000,
    }
    return RunStarted(**{**figures, **changes})


def evaluated(**changes):
    figures = {
        "time": 170.0,
        "epoch": 1,
        "step": 12_500,
        "split": "val",
        "loss": 1.0,
        "top1": 0.482,
        "top5": 0.9,
        "class_correct": (1, 1),
        "class_total": (2, 2),
        "confusion": ((1, 1), (1, 1)),
        "best": True,
        "seconds": 0.5,
    }
    return Evaluated(**{**figures, **changes})


def epoch_completed(**changes):
    figures = {
        "time": 171.0,
        "epoch": 1,
        "step": 12_500,
        "loss": 1.4771,
        "accuracy": 0.466,
        "training_seconds": 17.0,
        "evaluation_seconds": 0.5,
        "data_seconds": 0.5,
        "images_per_second": 7648.2,
    }
    return EpochCompleted(**{**figures, **changes})
