"""States to save, and how to tell whether two are the same and what a checkpoint folder holds."""

from __future__ import annotations

import torch

from cifar_core import checkpoint, sealed


def content(step):
    """A small state that differs for every step."""
    return {"weight": torch.full((3,), float(step)), "step": step, "rates": [0.1 * step, None]}


def same(one, other):
    """Equal in structure, types, dtypes, layout and every bit, so that NaN equals itself."""
    if type(one) is not type(other):
        return False
    if isinstance(one, torch.Tensor):
        alike = (one.dtype, one.shape, one.stride()) == (other.dtype, other.shape, other.stride())
        return alike and _bytes(one) == _bytes(other)
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return repr(one) == repr(other)


def _bytes(tensor):
    flat = tensor.detach().contiguous().flatten()
    return flat.view(torch.uint8).tolist() if len(flat) else []


def manifest(folder, name):
    """What the manifest says, or None where there is none."""
    path = folder / checkpoint.MANIFESTS[name]
    return sealed.from_line(path.read_bytes(), path.name) if path.exists() else None


def assert_nothing_superfluous(folder):
    """The folder holds its manifests and the data files that they name, nothing else."""
    manifests = {file: manifest(folder, name) for name, file in checkpoint.MANIFESTS.items()}
    expected = {file for file, about in manifests.items() if about}
    expected |= {about.file for about in manifests.values() if about}
    assert {path.name for path in folder.iterdir()} == expected


def snapshot(folder):
    """Every name under the folder with its type, bytes and times."""
    return {
        str(path): (path.lstat().st_mode, path.lstat().st_mtime_ns, path.lstat().st_ino)
        + ((path.read_bytes(),) if path.is_file() else ())
        for path in [folder, *sorted(folder.rglob("*"))]
    }
