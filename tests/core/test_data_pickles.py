"""CIFAR's pickles are read, and nothing that they name is ever run."""

from __future__ import annotations

import os
import pickle
import pickletools

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cifar_core.data.pickles import read_batch, read_names
from cifar_core.errors import DataError

IMAGES = np.random.default_rng(0).integers(0, 256, (4, 3072), dtype=np.uint8)
LABELS = [3, 0, 9, 1]

# What Python 2 and the NumPy of 2009 wrote for {"data": IMAGES, "labels": LABELS}.
PYTHON_2 = (
    b"\x80\x02}q\x00(U\x04dataq\x01cnumpy.core.multiarray\n_reconstruct\nq\x02cnumpy\nndarray\nq\x03K\x00\x85q\x04"
    b"U\x01bq\x05\x87q\x06Rq\x07(K\x01K\x04M\x00\x0c\x86q\x08cnumpy\ndtype\nq\tU\x02u1q\nK\x00K\x01\x87q\x0bRq\x0c"
    b"(K\x03U\x01|q\rNNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tq\x0eb\x89T"
    + IMAGES.nbytes.to_bytes(4, "little")
    + IMAGES.tobytes()
    + b"q\x0ftq\x10bU\x06labelsq\x11]q\x12(K\x03K\x00K\tK\x01eu."
)


def read(raw: bytes):
    return read_batch(raw, "batch", "labels", 10)


def pickled(**changes: object) -> bytes:
    return pickle.dumps({"data": IMAGES, "labels": LABELS, **changes}, protocol=2)


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(PYTHON_2, id="by Python 2"),
        *(
            pytest.param(pickle.dumps({"data": IMAGES, "labels": LABELS}, protocol=p), id=f"protocol {p}")
            for p in (2, 3, 4)
        ),
        pytest.param(pickled().replace(b"numpy._core", b"numpy.core"), id="by NumPy 1"),
    ],
)
def test_batch_is_read_whoever_wrote_it(raw):
    images, labels = read(raw)
    assert images.dtype == np.uint8
    np.testing.assert_array_equal(images, IMAGES.reshape(4, 3, 32, 32))
    assert labels.dtype == np.int64
    assert labels.tolist() == LABELS


class Payload:
    """Pickles as a call of ``function``."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize("call", [os.system, eval, exec, np.fromfile], ids=lambda call: call.__name__)
def test_payload_is_refused_and_not_run(tmp_path, monkeypatch, call, protocol):
    monkeypatch.chdir(tmp_path)
    code = "touch ran" if call is os.system else "open('ran', 'w')"
    raw = pickle.dumps({"data": Payload(call, code), "labels": LABELS}, protocol=protocol)
    with pytest.raises(DataError, match=r"batch is refused: it names '.*', which no CIFAR file needs"):
        read(raw)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "name",
    [
        b"numpy.core.multiarray\n_reconstruct.__globals__",
        b"numpy\nndarray.tofile",
        b"numpy\nload",
        b"_codecs\nlookup",
        b"cifar_core.data.pickles\n_unpickled",
        b"os\n\x1b[2Jsystem",
    ],
)
def test_only_the_exact_names_are_known_and_refusals_cannot_steer_a_terminal(name):
    with pytest.raises(DataError, match="is refused") as refusal:
        read(b"\x80\x04" + b"".join(b"\x8c" + bytes([len(part)]) + part for part in name.split(b"\n")) + b"\x93.")
    assert str(refusal.value).isprintable()


def test_text_is_turned_into_bytes_by_latin1_alone():
    with pytest.raises(DataError, match="damaged"):
        read(b"\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00aX\x05\x00\x00\x00rot13\x86R.")


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"data": IMAGES.astype(np.int16)}, "not an array of uint8"),
        ({"data": IMAGES.astype(object)}, "not an array of uint8"),
        ({"data": np.asfortranarray(IMAGES)}, "not an array of uint8, row by row"),
        ({"data": IMAGES[0]}, "not an array of uint8"),
        ({"data": IMAGES.tobytes()}, "not an array of uint8"),
        ({"data": None}, "not an array of uint8"),
        ({"data": IMAGES[:, 1:].copy()}, "its array is 4 x 3071"),
        ({"labels": None}, "'labels' is not a list"),
        ({"labels": [3, 0, 9, "1"]}, "'labels' is not a list of whole numbers"),
        ({"labels": [3, 0, 9, 1.0]}, "'labels' is not a list of whole numbers"),
        ({"labels": [3, 0, 9, True]}, "'labels' is not a list of whole numbers"),
        ({"labels": [3, 0, 9]}, "4 images but 3 labels"),
        ({"labels": [3, 0, 10, 1]}, "a label outside 0 to 9"),
        ({"labels": [3, 0, -1, 1]}, "a label outside 0 to 9"),
        ({"labels": [3, 0, 10**30, 1]}, "a label outside 0 to 9"),
    ],
)
def test_content_that_is_no_batch_is_named(changes, complaint):
    with pytest.raises(DataError, match=f"^batch .*{complaint}"):
        read(pickled(**changes))


def test_array_shorter_than_its_shape_is_damaged():
    with pytest.raises(DataError, match="not as long as its shape says"):
        read(PYTHON_2.replace(b"K\x04M\x00\x0c", b"K\x05M\x00\x0c"))


@pytest.mark.parametrize("raw", [b"", b"\x80", b"garbage", PYTHON_2[:-1], PYTHON_2[:500], b"\x80\x02]."])
def test_truncated_or_foreign_content_is_one_sentence(raw):
    with pytest.raises(DataError, match=r"^batch is (damaged|no CIFAR file)"):
        read(raw)


def test_batch_without_images_is_refused():
    with pytest.raises(DataError, match="its array is 0 x 3072"):
        read(PYTHON_2.replace(b"K\x04M\x00\x0c", b"K\x00M\x00\x0c"))


def reserves_gigabytes(raw: bytes) -> bool:
    """Whether a memo index would make the unpickler itself reserve far more than the file has."""
    try:
        return any(op.name == "LONG_BINPUT" and arg > 2**20 for op, arg, _ in pickletools.genops(raw))
    except Exception:  # noqa: BLE001 - broken before it comes to that
        return False


@given(place=st.integers(0, len(PYTHON_2) - 1), value=st.integers(0, 255))
def test_any_changed_byte_gives_a_batch_or_a_data_error(place, value):
    raw = PYTHON_2[:place] + bytes([value]) + PYTHON_2[place + 1 :]
    assume(not reserves_gigabytes(raw))
    try:
        images, labels = read(raw)
    except DataError:
        return
    assert len(images) == len(labels)
    assert images.shape[1:] == (3, 32, 32)


def test_class_names_are_read():
    raw = pickle.dumps({"label_names": ["cat", "dog"]}, protocol=2)
    assert read_names(raw, "meta", "label_names", 2) == ("cat", "dog")


@pytest.mark.parametrize("names", [None, ["cat"], ["cat", 7], ["cat", ""], ["cat", "\x1b[2J"], ("cat", "dog")])
def test_class_names_that_make_no_sense_are_refused(names):
    raw = pickle.dumps({"label_names": names}, protocol=2)
    with pytest.raises(DataError, match=r"^meta is no CIFAR meta file: its entry 'label_names' is not a list of 2"):
        read_names(raw, "meta", "label_names", 2)
