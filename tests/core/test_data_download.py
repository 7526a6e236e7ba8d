"""Downloads against a server of our own: cut, refused, redirected, wrong."""

from __future__ import annotations

import dataclasses
import errno
import fcntl
import hashlib
import os
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from cifar_core.config import Data
from cifar_core.data import download as module
from cifar_core.data import progress
from cifar_core.data.cifar import CIFAR10, read_cifar
from cifar_core.data.download import download
from cifar_core.errors import DataError

CONTENT = os.urandom(100_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@dataclass
class Shelf:
    """What the server gives, and what it was asked for."""

    content: bytes = CONTENT
    knows_ranges: bool = True
    tells_length: bool = True
    cuts: list[int] = field(default_factory=list)
    """Bytes after which the first answers, one after the other, are cut off."""
    redirects_to: str = ""
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    """Path and Range of each request."""
    address: str = ""

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        wanted = handler.headers.get("Range")
        self.asked.append((handler.path, wanted))
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and self.knows_ranges else 0
        if "missing" in handler.path:
            return handler.send_error(404)
        if "moved" in handler.path:
            handler.send_response(302)
            handler.send_header("Location", self.redirects_to)
            return handler.end_headers()
        if start >= len(self.content):
            return handler.send_error(416)
        body = b"<html>a page instead</html>" if "wrong" in handler.path else self.content[start:]
        handler.send_response(206 if start else 200)
        if start:
            handler.send_header("Content-Range", f"bytes {start}-{len(self.content) - 1}/{len(self.content)}")
        if self.tells_length:
            handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body[: self.cuts.pop(0)] if self.cuts else body)
        return None


@pytest.fixture
def shelf(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(module, "TIMEOUT", 5.0)
    monkeypatch.setattr(progress, "INTERVAL", 0.0)
    monkeypatch.setattr(module, "BLOCK", 10_000)
    shelf = Shelf()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            shelf.answer(self)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        shelf.address = f"http://127.0.0.1:{server.server_port}"
        yield shelf
        server.shutdown()
        thread.join()


@pytest.fixture
def target(tmp_path):
    return tmp_path / "data" / "archive.tar.gz"


@pytest.fixture
def part(target):
    target.parent.mkdir()
    return target.with_name("archive.tar.gz.part")


def fetched(shelf, target, *paths, sha256=SHA256):
    return list(download([f"{shelf.address}/{path}" for path in paths or ("file",)], target, sha256))


def assert_whole(target):
    assert target.read_bytes() == CONTENT
    assert [path.name for path in target.parent.iterdir()] == [target.name]


def test_file_arrives_whole_and_under_its_name_alone(shelf, target):
    events = fetched(shelf, target)
    assert_whole(target)
    assert {event.phase for event in events} == {"download", "verify"}
    last = [event for event in events if event.phase == "download"][-1]
    assert (last.subject, last.done, last.total, last.unit) == (target.name, len(CONTENT), len(CONTENT), "B")


def test_file_of_untold_length_arrives(shelf, target):
    shelf.tells_length = False
    fetched(shelf, target)
    assert_whole(target)


def test_cut_connection_goes_on_where_it_was_cut(shelf, target):
    shelf.cuts = [30_000, 5_000]
    fetched(shelf, target)
    assert_whole(target)
    assert [wanted for _, wanted in shelf.asked] == [None, "bytes=30000-", "bytes=35000-"]


def test_earlier_part_is_gone_on_from(shelf, target, part):
    part.write_bytes(CONTENT[:60_000])
    fetched(shelf, target)
    assert_whole(target)
    assert shelf.asked == [("/file", "bytes=60000-")]


def test_server_without_ranges_starts_again(shelf, target, part):
    part.write_bytes(CONTENT[:60_000])
    shelf.knows_ranges = False
    fetched(shelf, target)
    assert_whole(target)


def test_server_without_ranges_that_always_cuts_is_given_up(shelf, target):
    shelf.knows_ranges = False
    shelf.cuts = [30_000] * 10
    with pytest.raises(DataError, match="broke off after 30000 of 100000 bytes"):
        fetched(shelf, target)
    assert len(shelf.asked) == 2


def test_complete_part_needs_only_its_checksum(shelf, target, part):
    part.write_bytes(CONTENT)
    fetched(shelf, target)
    assert_whole(target)


@pytest.mark.parametrize("bad", [b"x" * 60_000, b"x" * 100_000, b"x" * 200_000])
def test_part_that_began_wrong_is_dropped_and_fetched_anew(shelf, target, part, bad):
    part.write_bytes(bad)
    fetched(shelf, target)
    assert_whole(target)


def test_wrong_checksum_leaves_nothing(shelf, target):
    with pytest.raises(DataError, match=r"127\.0\.0\.1: wrong checksum"):
        fetched(shelf, target, "wrong")
    assert list(target.parent.iterdir()) == []


def test_without_a_checksum_anything_is_taken(shelf, target):
    fetched(shelf, target, "wrong", sha256=None)
    assert target.read_bytes() == b"<html>a page instead</html>"


def test_mirrors_are_tried_in_turn(shelf, target):
    fetched(shelf, target, "missing", "wrong", "file", "never")
    assert_whole(target)
    assert [path for path, _ in shelf.asked] == ["/missing", "/wrong", "/file"]


def test_another_mirror_goes_on_with_what_one_has_begun(shelf, target):
    shelf.cuts = [30_000, 0]
    fetched(shelf, target, "first", "second")
    assert_whole(target)
    assert shelf.asked[-1] == ("/second", "bytes=30000-")


def test_each_mirror_s_reason_is_told_with_what_to_do(shelf, target):
    with pytest.raises(DataError) as refusal:
        fetched(shelf, target, "missing", "wrong")
    assert "(127.0.0.1: HTTP 404; 127.0.0.1: wrong checksum)" in str(refusal.value)
    assert f"put the file into {target.parent} yourself, or use data.kind=synthetic" in str(refusal.value)


@pytest.mark.usefixtures("shelf")
def test_no_server_is_one_sentence(target):
    with pytest.raises(DataError, match=r"could not be downloaded \(127\.0\.0\.1: Connection refused\)"):
        list(download(["http://127.0.0.1:1/file"], target, SHA256))


@pytest.mark.parametrize("other", ["file:///etc/passwd", "ftp://127.0.0.1/file", "data:,text"])
def test_redirection_to_another_scheme_is_not_followed(shelf, target, other):
    shelf.redirects_to = other
    with pytest.raises(DataError, match="could not be downloaded"):
        fetched(shelf, target, "moved", sha256=None)
    assert list(target.parent.iterdir()) == []


def test_redirection_to_another_address_is_followed(shelf, target):
    shelf.redirects_to = f"{shelf.address}/file"
    fetched(shelf, target, "moved")
    assert_whole(target)


@pytest.mark.parametrize("address", ["file:///etc/passwd", "ftp://host/file", "/etc/passwd", "http:", "http://[bad"])
def test_address_of_another_scheme_is_refused(target, address):
    with pytest.raises(DataError, match=r"data\.mirrors: .* is no address that starts with https:// or http://"):
        list(download([address], target, SHA256))
    assert not target.parent.exists()


def test_endless_file_is_given_up(shelf, target, monkeypatch):
    monkeypatch.setattr(module, "MAX_ARCHIVE", 50_000)
    with pytest.raises(DataError, match="larger than 50000 bytes"):
        fetched(shelf, target)
    assert list(target.parent.iterdir()) == []


def test_closing_in_the_middle_keeps_a_part_that_is_gone_on_from(shelf, target):
    work = download([f"{shelf.address}/file"], target, SHA256)
    next(event for event in work if event.done >= 30_000)
    work.close()
    assert [path.name for path in target.parent.iterdir()] == ["archive.tar.gz.part"]
    fetched(shelf, target)
    assert_whole(target)
    assert shelf.asked[-1][1] is not None


def test_closing_before_the_first_byte_leaves_nothing(shelf, target):
    work = download([f"{shelf.address}/file"], target, SHA256)
    next(work)
    work.close()
    assert list(target.parent.iterdir()) == []


def test_full_disk_is_one_sentence_that_says_what_to_do(shelf, target, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(module, "_write", full)
    with pytest.raises(
        DataError, match=r"archive.tar.gz cannot be written \(No space left on device\): free some space"
    ):
        fetched(shelf, target)
    assert list(target.parent.iterdir()) == []


def test_folder_that_cannot_be_made_is_one_sentence(shelf, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="cannot be written"):
        fetched(shelf, tmp_path / "file" / "archive.tar.gz")
    assert shelf.asked == []


def test_second_process_waits_for_the_first_and_takes_its_file(shelf, target, part):
    with part.open("ab") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        work = download([f"{shelf.address}/file"], target, SHA256)
        assert next(work).phase == "download"
        other.write(CONTENT)
        other.flush()
        part.rename(target)
    list(work)
    assert_whole(target)
    assert shelf.asked == []


def test_configured_mirrors_come_before_the_built_in_addresses(shelf, tmp_path):
    release = dataclasses.replace(CIFAR10, addresses=(f"{shelf.address}/built-in",))
    config = Data(root=str(tmp_path), mirrors=(f"{shelf.address}/missing/", f"{shelf.address}/wrong"))
    with pytest.raises(DataError, match="wrong checksum"):
        list(read_cifar(release, config))
    assert [path for path, _ in shelf.asked] == [
        "/missing/cifar-10-python.tar.gz",
        "/wrong/cifar-10-python.tar.gz",
        "/built-in",
    ]
