"""Image files into one array of pixels."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait

import numpy as np
import numpy.typing as npt
from PIL import Image

from cifar_core.data.dataset import SIDE
from cifar_core.data.files import ImageFile
from cifar_core.data.progress import INTERVAL, Progress
from cifar_core.errors import DataError, printable
from cifar_core.events import Preparing

FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF", "PPM")
"""Pillow's readers that are let at the files; it has others that start programs (EPS) or open further files."""
MAX_PIXELS = 2**26
"""A picture with more is refused before it is decoded: a file of some kilobytes can claim any size."""
CHUNK = 32
"""Images that a thread decodes before it reports."""
SMALL = 4096
"""Mean bytes of a file below which one thread is fastest: more of them then mostly wait for each other's turn at
the interpreter (32-pixel JPEGs on two cores: 12,700 images/s by one thread, 7,700 by two; 224-pixel ones: 2,200
and 3,700)."""
MAX_THREADS = 8
"""For larger files; beyond it, threads add little but waiting."""


def decode(files: Sequence[ImageFile], title: str) -> Generator[Preparing, None, npt.NDArray[np.uint8]]:
    """Return the images of ``files`` as one uint8 array, N x 3 x 32 x 32, in their order.

    Anything but RGB is converted to it, without transparency; of 16 bits the upper 8 are taken. Other sizes are
    scaled to 32 x 32, whatever their shape, by Pillow's bilinear filter, which averages over all pixels that shrink
    into one. Of moving pictures the first frame is taken.

    Args:
        files: what to decode.
        title: what progress calls it.

    Raises:
        DataError: if a file cannot be read or decoded or claims too many pixels; the first such in order is named.
    """
    images = np.empty((len(files), 3, SIDE, SIDE), dtype=np.uint8)
    stop = threading.Event()

    def decode_chunk(start: int) -> None:
        for place in range(start, min(start + CHUNK, len(files))):
            if stop.is_set():
                return
            images[place] = _pixels(files[place])

    progress = Progress("decode", title, "images", total=len(files))
    small = sum(file.size for file in files) < SMALL * len(files)
    pool = ThreadPoolExecutor(
        max_workers=1 if small else min(os.cpu_count() or 1, MAX_THREADS), thread_name_prefix="decode"
    )
    try:
        chunks = [pool.submit(decode_chunk, start) for start in range(0, len(files), CHUNK)]
        for done, chunk in enumerate(chunks):
            # A look at the clock now and then, so that slow files delay no one who wants to close this.
            while not wait([chunk], timeout=INTERVAL).done:
                yield from progress.at(done * CHUNK)
            chunk.result()
            yield from progress.at(min((done + 1) * CHUNK, len(files)))
    finally:
        stop.set()
        pool.shutdown(wait=True, cancel_futures=True)
    return images


def _pixels(file: ImageFile) -> npt.NDArray[np.uint8]:
    """One image, 3 x 32 x 32."""
    try:
        with open(file.path, "rb") as stream:  # noqa: PTH123 - Path objects cost a tenth of the time
            raw = stream.read()
        with Image.open(io.BytesIO(raw), formats=FORMATS) as opened:
            if opened.width * opened.height > MAX_PIXELS:
                raise Image.DecompressionBombError
            image: Image.Image = opened
            if "transparency" in image.info:
                image = image.convert("RGBA")  # straight to RGB, Pillow warns about some palettes
            if image.mode.startswith("I"):  # Pillow would cut 16 bits off at 255
                image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
            if image.mode != "RGB":
                image = image.convert("RGB")
            if image.size != (SIDE, SIDE):
                image = image.resize((SIDE, SIDE), Image.Resampling.BILINEAR)
            return np.frombuffer(image.tobytes(), dtype=np.uint8).reshape(SIDE, SIDE, 3).transpose(2, 0, 1)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DataError(
            f"{printable(file.path)} claims more than {MAX_PIXELS} pixels: make it smaller or remove it"
        ) from error
    except Exception as error:  # Pillow's readers raise nearly anything when a file is damaged
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "it is damaged or no image"
        raise DataError(f"{printable(file.path)} cannot be decoded ({reason}): mend or remove it") from error
