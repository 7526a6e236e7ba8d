"""A training obeys the other processes of its user, and nothing that comes over its socket disturbs it."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import json
import math
import os
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import types
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cifar_core.control import ChangeCheckpointMinutes, ChangeLearningRate, Control, Request
from cifar_core.errors import CifarError
from cifar_experiments.live import client, protocol, server
from cifar_experiments.live.client import NotControllableError, ask
from cifar_experiments.live.protocol import LONGEST_LINE, Checkpoint, Pause, Resume, Set, Stop, TogglePause
from cifar_experiments.live.server import MOST_CONNECTIONS, listening
from cifar_experiments.runs.folder import Run
from cifar_experiments.runs.lock import locked

OK = {"ok": True}
PAUSE = b'{"request":"pause"}\n'
RESUME = b'{"request":"resume"}\n'
linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux finds a folder by its descriptor")


@pytest.fixture
def run(tmp_path):
    return folder(tmp_path / "20261121-074830-mine-aaaa")


@pytest.fixture(autouse=True)
def quiet(capfd, caplog):
    """Nothing is printed or logged, whatever happens."""
    yield
    gc.collect()
    assert [record for when in ("setup", "call", "teardown") for record in caplog.get_records(when)] == []
    assert "".join(capfd.readouterr()) == ""


def folder(path):
    path.mkdir(parents=True)
    return Run(path)


def taken(control):
    requests = []
    while control.pending:
        requests.append(control.take())
    return requests


async def asked(run, request):
    await asyncio.to_thread(ask, run, request)


@contextlib.contextmanager
def dialled(run):
    """A plain socket that is connected to a run's."""
    with protocol.opened(run) as directory, socket.socket(socket.AF_UNIX) as dialling:
        dialling.connect(protocol.address(run, directory))
        yield dialling


@asynccontextmanager
async def connected(run):
    """A reader and a writer at the other end of a run's socket."""
    with dialled(run) as dialling:
        reader, writer = await asyncio.open_connection(sock=dialling.dup())
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def answers(run, sent, number=1):
    """Send bytes and return as many answers."""
    async with connected(run) as (reader, writer):
        writer.write(sent)
        return [json.loads(await reader.readline()) for _ in range(number)]


async def rest(reader):
    """All that comes until the connection is closed."""
    received = b""
    with contextlib.suppress(ConnectionResetError):
        while block := await reader.read(100):
            received += block
    return received


def bound(run):
    """A socket that has the name of the run's, and does not listen."""
    with protocol.opened(run) as directory:
        other = socket.socket(socket.AF_UNIX)
        other.bind(protocol.address(run, directory))
        return other


def descriptors():
    return len(os.listdir("/dev/fd"))


# What a run obeys


@pytest.mark.parametrize(
    ("request_", "wanted"),
    [
        (Pause(), Request.PAUSE),
        (Resume(), Request.RESUME),
        (TogglePause(), Request.TOGGLE_PAUSE),
        (Stop(), Request.STOP),
        (Checkpoint(), Request.CHECKPOINT),
        (Set(key="optimizer.lr", value=0.25), ChangeLearningRate(0.25)),
        (Set(key="optimizer.lr", value=1), ChangeLearningRate(1.0)),
        (Set(key="training.checkpoint_minutes", value=2.5), ChangeCheckpointMinutes(2.5)),
    ],
)
async def test_a_request_does_what_it_says_and_is_taken_in_when_ask_returns(run, request_, wanted):
    control = Control()
    async with listening(run, control) as why_not:
        assert why_not is None
        await asked(run, request_)
        assert taken(control) == [wanted]


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        (b'{"request":"pause"}', Request.PAUSE),
        (b' {"request" : "stop" } \r', Request.STOP),
        (b'{"request":"stop","after_epoch":false}', Request.STOP),
        (b'{"request":"toggle"}', Request.TOGGLE_PAUSE),
        (b'{"request":"set","key":"optimizer.lr","value":3}', ChangeLearningRate(3.0)),
        (b'{"value":1e-3,"key":"training.checkpoint_minutes","request":"set"}', ChangeCheckpointMinutes(0.001)),
    ],
)
async def test_a_request_is_a_line_of_json(run, line, wanted):
    control = Control()
    async with listening(run, control):
        assert await answers(run, line + b"\n") == [OK]
    assert taken(control) == [wanted]


async def test_a_stop_after_the_epoch_is_taken_in_and_ends_nothing_at_once(run):
    control = Control()
    async with listening(run, control):
        await asked(run, Stop(after_epoch=True))
    assert control.stops_after_epoch
    assert control.ending is None
    assert taken(control) == []


async def test_a_plain_stop_does_not_wait_for_the_epoch_and_reads_as_it_always_did(run):
    assert protocol.to_line(Stop()) == b'{"request":"stop"}\n'
    control = Control()
    async with listening(run, control):
        await asked(run, Stop())
    assert not control.stops_after_epoch


def test_who_is_in_the_same_process_is_obeyed_without_a_socket_and_told_the_same():
    control = Control()
    assert server.obey(Pause(), control) is None
    assert server.obey(Set(key="optimizer.lr", value=0.5), control) is None
    assert server.obey(Set(key="optimizer.lr", value=math.nan), control) == (
        "optimizer.lr: the learning rate must be a positive number, not nan"
    )
    assert server.obey(Set(key="model.name", value=1.0), control) == (
        "'model.name' cannot be set while a run trains; what can be set: optimizer.lr, training.checkpoint_minutes"
    )
    assert taken(control) == [Request.PAUSE, ChangeLearningRate(0.5)]


async def test_several_requests_on_one_connection_are_obeyed_in_their_order(run):
    control = Control()
    async with listening(run, control), connected(run) as (reader, writer):
        for part in (PAUSE[:7], PAUSE[7:] + RESUME + PAUSE, b"?\n" + RESUME):
            writer.write(part)
            await writer.drain()
        told = [json.loads(await reader.readline()) for _ in range(5)]
    assert [answer == OK for answer in told] == [True, True, True, False, True]
    assert taken(control) == [Request.PAUSE, Request.RESUME, Request.PAUSE, Request.RESUME]


async def test_a_line_that_is_not_whole_is_no_request(run):
    control = Control()
    async with listening(run, control), connected(run) as (reader, writer):
        writer.write(PAUSE.rstrip())
        writer.write_eof()
        assert await rest(reader) == b""
    assert taken(control) == []


@pytest.mark.parametrize("value", [0.0, -1.0, -0.0, math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("key", ["optimizer.lr", "training.checkpoint_minutes"])
async def test_an_impossible_value_is_refused_with_its_key(run, key, value):
    control = Control()
    async with listening(run, control):
        with pytest.raises(NotControllableError, match=rf"{key}.* must be a (positive|finite) number, not ") as caught:
            await asked(run, Set(key=key, value=value))
    assert caught.value.exit_code == 4
    assert isinstance(caught.value, CifarError)
    assert taken(control) == []


@pytest.mark.parametrize("value", [b"NaN", b"Infinity", b"null", b'"0.1"', b"true", b"[1]", b"1e999", b"9" * 400])
async def test_what_is_no_number_in_json_is_refused(run, value):
    control = Control()
    async with listening(run, control):
        [answer] = await answers(run, b'{"request":"set","key":"optimizer.lr","value":%s}\n' % value)
    assert answer["error"].startswith("the request is not understood: ")
    assert taken(control) == []


async def test_a_key_that_cannot_be_set_is_refused_with_those_that_can(run):
    control = Control()
    async with listening(run, control):
        with pytest.raises(NotControllableError) as caught:
            await asked(run, Set(key="model.name\x1b[2J", value=1.0))
    assert str(caught.value) == (
        r"'model.name\x1b[2J' cannot be set while a run trains; "
        "what can be set: optimizer.lr, training.checkpoint_minutes"
    )
    assert taken(control) == []


@pytest.mark.parametrize(
    "request_",
    [
        Set(key="x" * LONGEST_LINE, value=1.0),
        Set(key="\udcff", value=1.0),
        Set(key="optimizer.lr", value=10**400),
    ],
)
def test_what_cannot_be_said_is_not_sent(run, request_):
    with pytest.raises(NotControllableError, match="the request cannot be sent: ") as caught:
        ask(run, request_)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 200


# What a run bears


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{}",
        b"null",
        b'"pause"',
        b"pause",
        b'{"request":"dance"}',
        b'{"request":"\\u001b[2J"}',
        b'{"request":null}',
        b'{"request":["pause"]}',
        b'{"request":"pause","now":true}',
        b'{"request":"pause"} {"request":"stop"}',
        b'{"request":"pause"}x',
        b'{"request":"set"}',
        b'{"request":"set","key":1,"value":1}',
        b'{"request":"set","key":"\xff","value":1}',
        b'{"request":"set","key":"\\ud800","value":1}',
        b'{"request":"' + b"x" * 4000 + b'"}',
        b'{"request":"pause","' + "\N{FACE WITH TEARS OF JOY}".encode() * 1000 + b'":1}',
        b'{"request":"pause","' + b"\\u202e" * 600 + b'":1}',
        b'{"request":"set","key":"' + b"\\u202e" * 600 + b'","value":1}',
        b'{"request":"pause","x":' + b"[" * 4000,
        b'{"x":' * 800,
        b'{"x":' + b"[" * 4000,
        b"[" * (LONGEST_LINE - 1),
        b"\xff\xfe",
        b"\x00" * 100,
    ],
)
async def test_a_malformed_line_is_answered_with_one_printable_sentence(run, line):
    control = Control()
    async with listening(run, control), connected(run) as (reader, writer):
        writer.write(line + b"\n")
        answer = await reader.readline()
        assert len(answer) <= LONGEST_LINE
        assert list(json.loads(answer)) == ["error"]
        assert json.loads(answer)["error"].isprintable()
        assert taken(control) == []
        writer.write(PAUSE)
        assert json.loads(await reader.readline()) == OK
    assert taken(control) == [Request.PAUSE]


texts = st.sampled_from(["request", "pause", "set", "key", "value", "optimizer.lr", "\x1b"]) | st.text(max_size=5)
json_lines = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
).map(lambda value: json.dumps(value).encode())
lines = st.lists(st.binary(max_size=200).map(lambda line: line.replace(b"\n", b"")) | json_lines, max_size=20)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=lines, cuts=st.lists(st.integers(0, 4000), max_size=5))
async def test_whatever_comes_each_line_gets_one_answer_and_the_run_goes_on_obeying(lines, cuts, run):
    control = Control()
    sent = b"".join(line + b"\n" for line in lines)
    async with listening(run, control):
        async with connected(run) as (reader, writer):
            begin = 0
            for end in [*sorted(cuts), len(sent)]:
                writer.write(sent[begin:end])
                await asyncio.sleep(0)
                begin = max(begin, end)
            writer.write_eof()
            told = (await rest(reader)).splitlines()
        assert len(told) == len(lines)
        for line in told:
            answer = json.loads(line)
            assert answer == OK or (list(answer) == ["error"] and answer["error"].isprintable())
        taken(control)
        await asked(run, Pause())
        assert taken(control) == [Request.PAUSE]


async def test_a_line_of_just_the_longest_length_is_obeyed(run):
    control = Control()
    line = PAUSE.rstrip().ljust(LONGEST_LINE - 1) + b"\n"
    async with listening(run, control):
        assert await answers(run, line + line, 2) == [OK, OK]
        async with connected(run) as (reader, writer):
            writer.write(line[:-1])
            for _ in range(10):  # for the server to see that it is not whole yet
                await asyncio.sleep(0)
            writer.write(b"\n")
            assert json.loads(await reader.readline()) == OK
    assert taken(control) == [Request.PAUSE] * 3


@pytest.mark.parametrize("begin", [b"", PAUSE])
@pytest.mark.parametrize("length", [LONGEST_LINE, LONGEST_LINE + 1, 10 * LONGEST_LINE])
async def test_a_line_that_is_too_long_ends_its_connection_and_no_other(run, length, begin):
    control = Control()
    async with listening(run, control):
        async with connected(run) as (reader, writer):
            writer.write(begin + PAUSE.rstrip().ljust(length) + b"\n" + RESUME)
            *before, told = (await rest(reader)).splitlines()
        assert [json.loads(answer) for answer in before] == [OK] * bool(begin)
        assert json.loads(told)["error"] == "a request has at most 4096 bytes, its line feed among them"
        assert taken(control) == [Request.PAUSE] * bool(begin)
        await asked(run, Stop())
    assert taken(control) == [Request.STOP]


async def test_the_client_after_the_last_that_is_listened_to_is_sent_away_until_another_leaves(run):
    control = Control()
    async with listening(run, control), contextlib.AsyncExitStack() as others:
        pairs = [await others.enter_async_context(connected(run)) for _ in range(MOST_CONNECTIONS)]
        for reader, writer in pairs:
            writer.write(PAUSE)
            assert json.loads(await reader.readline()) == OK
        async with connected(run) as (reader, _):
            assert await rest(reader) == b""
        with pytest.raises(NotControllableError, match="left without an answer: it ends, or too many ask it"):
            await asked(run, Stop())
        assert control.ending is None

        reader, writer = pairs[0]
        writer.write_eof()
        assert await rest(reader) == b""
        await asked(run, Stop())
        assert control.ending is Request.STOP


@pytest.mark.parametrize("sent", [b"", b"{", PAUSE, PAUSE + b'{"request'])
async def test_a_client_that_falls_silent_is_sent_away(run, sent, monkeypatch):
    control = Control()
    async with listening(run, control):
        with monkeypatch.context() as patched:
            patched.setattr(server, "PATIENCE_SECONDS", 0.05)
            async with connected(run) as (reader, writer):
                writer.write(sent)
                assert (await rest(reader)).splitlines() == [b'{"ok":true}'] * sent.count(b"\n")
        taken(control)
        await asked(run, Pause())
    assert taken(control) == [Request.PAUSE]


async def test_a_client_that_does_not_read_its_answers_is_sent_away(run, monkeypatch):
    def flood():
        with dialled(run) as dialling, pytest.raises((BrokenPipeError, ConnectionResetError)):
            while True:
                dialling.sendall(b"?\n" * 1000)

    control = Control()
    async with listening(run, control):
        with monkeypatch.context() as patched:
            patched.setattr(server, "PATIENCE_SECONDS", 0.05)
            await asyncio.to_thread(flood)
        await asked(run, Pause())
    assert taken(control) == [Request.PAUSE]


async def test_other_work_comes_between_any_two_requests(run):
    work = [0]

    class Noting(Control):
        def pause(self):
            work.append(0)

    async def train():
        while True:
            work[-1] += 1
            await asyncio.sleep(0)

    training = asyncio.create_task(train())
    async with listening(run, Noting()):
        assert await answers(run, PAUSE * 100, 100) == [OK] * 100
    training.cancel()
    assert len(work) == 101
    assert 0 not in work


async def test_a_client_that_leaves_before_its_answer_disturbs_nobody(run):
    control = Control()
    async with listening(run, control):
        for _ in range(MOST_CONNECTIONS - 1):
            with dialled(run) as dialling:
                dialling.sendall(b"?\n" * 100)
        await asked(run, Pause())
    assert taken(control) == [Request.PAUSE]


async def test_a_fault_of_the_server_itself_ends_the_connection_and_nothing_else(run):
    class Broken(Control):
        def pause(self):
            raise RuntimeError("a fault")

    control = Broken()
    async with listening(run, control):
        with pytest.raises(NotControllableError, match="left without an answer"):
            await asked(run, Pause())
        gc.collect()
        await asked(run, Resume())
    assert taken(control) == [Request.RESUME]


async def test_a_shortage_of_descriptors_passes(run, monkeypatch):
    failures = iter([errno.EMFILE, errno.ENFILE, errno.ECONNABORTED])
    real_accept = socket.socket.accept

    def accept(listener):
        for number in failures:
            raise OSError(number, os.strerror(number))
        return real_accept(listener)

    monkeypatch.setattr(server, "_RETRY_SECONDS", 0)
    monkeypatch.setattr(socket.socket, "accept", accept)
    control = Control()
    async with listening(run, control):
        await asked(run, Pause())
    assert next(failures, None) is None
    assert taken(control) == [Request.PAUSE]


# Who may speak


@pytest.mark.parametrize(("user", "me", "trusted"), [(7, 7, True), (0, 7, True), (8, 7, False), (7, 0, False)])
async def test_only_the_owner_and_root_are_obeyed(run, user, me, trusted, monkeypatch):
    control = Control()
    async with listening(run, control):
        with monkeypatch.context() as patched:
            patched.setattr(os, "geteuid", lambda: me)
            patched.setattr(protocol, "peer_user", lambda _connection: user)
            async with connected(run) as (reader, writer):
                writer.write(PAUSE)
                if trusted:
                    assert json.loads(await reader.readline()) == OK
                else:
                    assert await rest(reader) == b'{"error":"only the owner of the run and root may control it"}\n'
    assert taken(control) == [Request.PAUSE] * trusted


async def test_a_refused_user_is_told_why(run, monkeypatch):
    # The server asks first, about a stranger; the client then asks about the server.
    users = iter([os.geteuid() + 1])
    server_asks = threading.current_thread()

    def peer_user(_connection):
        return next(users) if threading.current_thread() is server_asks else os.geteuid()

    monkeypatch.setattr(protocol, "peer_user", peer_user)
    async with listening(run, Control()):
        with pytest.raises(NotControllableError, match=r"^only the owner of the run and root may control it$"):
            await asked(run, Pause())


async def test_a_socket_of_another_user_is_not_spoken_to(run, monkeypatch):
    control = Control()
    async with listening(run, control):
        with monkeypatch.context() as patched:
            patched.setattr(client.protocol, "is_trusted", lambda _user: False)
            with pytest.raises(NotControllableError, match=r"control\.sock: it belongs to another user$"):
                await asked(run, Pause())
    with bound(run) as other:
        other.listen()
        monkeypatch.setattr(protocol, "peer_user", lambda _connection: os.geteuid() + 1)
        with pytest.raises(NotControllableError, match=r"control\.sock: another user listens there$"):
            await asked(run, Pause())
    assert taken(control) == []


@linux
def test_linux_tells_who_is_at_the_other_end():
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    with ours, theirs:
        assert protocol.peer_user(ours) == os.geteuid()


async def test_the_socket_is_for_its_owner_alone_before_anybody_can_connect(run, monkeypatch):
    modes = []
    real_listen = socket.socket.listen

    def listen(listener, *backlog):
        modes.append(os.lstat(run.socket).st_mode)
        with pytest.raises(ConnectionRefusedError), dialled(run):
            pass
        real_listen(listener, *backlog)

    monkeypatch.setattr(socket.socket, "listen", listen)
    before = os.umask(0)
    try:
        async with listening(run, Control()):
            modes.append(os.lstat(run.socket).st_mode)
    finally:
        os.umask(before)
    assert modes == [stat.S_IFSOCK | 0o600] * 2


# Where the socket is


@linux
async def test_a_run_may_lie_deeper_than_the_address_of_a_socket_reaches(tmp_path):
    run = folder(tmp_path / ("x" * 150) / ("y" * 150))
    control = Control()
    async with listening(run, control) as why_not:
        assert why_not is None
        assert run.socket.is_socket()
        await asked(run, Pause())
    assert taken(control) == [Request.PAUSE]
    assert not run.socket.exists()


async def test_a_run_may_be_reached_through_a_link(run, tmp_path):
    (tmp_path / "newest").symlink_to(run.path)
    control = Control()
    async with listening(Run(tmp_path / "newest"), control):
        await asked(run, Pause())
        await asked(Run(tmp_path / "newest"), Resume())
    assert taken(control) == [Request.PAUSE, Request.RESUME]


async def test_elsewhere_than_on_linux_a_short_path_serves_and_a_long_one_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(protocol, "sys", types.SimpleNamespace(platform="darwin"))
    control = Control()
    with tempfile.TemporaryDirectory(dir="/tmp") as short:
        run = folder(Path(short) / "run")
        async with listening(run, control) as why_not:
            assert why_not is None
            await asked(run, Pause())
    assert taken(control) == [Request.PAUSE]
    deep = folder(tmp_path / ("x" * 150))
    async with listening(deep, control) as why_not:
        assert "the run cannot be controlled from outside: AF_UNIX path too long; --runs-dir" in why_not
    assert list(deep.path.iterdir()) == []


async def test_a_socket_that_a_killed_process_left_is_replaced(run):
    code = (
        "import asyncio, os, signal, sys; from pathlib import Path; from cifar_core.control import Control\n"
        "from cifar_experiments.live.server import listening; from cifar_experiments.runs.folder import Run\n"
        "async def die():\n"
        "    async with listening(Run(Path(sys.argv[1])), Control()) as why_not:\n"
        "        assert why_not is None\n"
        "        assert not {'torch', 'numpy'} & set(sys.modules)\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "asyncio.run(die())"
    )
    died = await asyncio.to_thread(subprocess.run, [sys.executable, "-c", code, run.path], capture_output=True)
    assert (died.returncode, died.stderr) == (-9, b"")
    assert run.socket.is_socket()
    with pytest.raises(NotControllableError, match="is gone, or runs on another host"):
        ask(run, Pause())
    control = Control()
    async with listening(run, control) as why_not:
        assert why_not is None
        await asked(run, Pause())
    assert taken(control) == [Request.PAUSE]
    assert not run.socket.exists()


def a_file(path):
    path.write_text("mine")


def a_link_to_a_socket(path):
    other = socket.socket(socket.AF_UNIX)
    other.bind(os.path.relpath(path.parent / "other"))
    other.close()
    path.symlink_to("other")


def a_link_to_nothing(path):
    path.symlink_to("missing")


IN_THE_WAY = [a_file, Path.mkdir, os.mkfifo, a_link_to_a_socket, a_link_to_nothing]


@pytest.mark.parametrize("put", IN_THE_WAY)
async def test_what_is_no_socket_is_left_alone_and_told(run, put):
    put(run.socket)
    before = [(path, path.lstat()) for path in run.path.iterdir()]
    async with listening(run, Control()) as why_not:
        assert why_not == (
            f"{run.socket}: the run cannot be controlled from outside: "
            "something that is no socket has that name; move it away"
        )
    assert [(path, path.lstat()) for path in run.path.iterdir()] == before


@pytest.mark.parametrize("put", IN_THE_WAY)
def test_what_is_no_socket_is_not_spoken_to(run, put):
    put(run.socket)
    with pytest.raises(NotControllableError, match=r"cannot be controlled by .*control\.sock: it is no socket$"):
        ask(run, Pause())


@pytest.mark.parametrize("call", ["bind", "listen"])
@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOTSUP, errno.EINVAL, errno.EACCES, errno.EROFS, errno.ENOENT])
async def test_a_file_system_that_holds_no_sockets_is_told_and_nothing_is_left(run, call, number, monkeypatch):
    def fail(*_arguments):
        raise OSError(number, os.strerror(number))

    before = descriptors()
    with monkeypatch.context() as patched:
        patched.setattr(socket.socket, call, fail)
        async with listening(run, Control()) as why_not:
            assert why_not == (
                f"{run.socket}: the run cannot be controlled from outside: {os.strerror(number)}; "
                "--runs-dir or CIFAR_TUI_RUNS names another folder"
            )
    assert list(run.path.iterdir()) == []
    assert descriptors() == before


async def test_a_folder_that_is_not_there_is_told(tmp_path):
    async with listening(Run(tmp_path / "a\x1b"), Control()) as why_not:
        assert r"a\x1b/control.sock: the run cannot be controlled from outside: No such file or directory" in why_not


# What is left


async def test_an_error_of_the_training_goes_through_and_the_socket_is_gone(run):
    with pytest.raises(CifarError, match="out of memory"):
        async with listening(run, Control()):
            assert run.socket.is_socket()
            raise CifarError("out of memory")
    assert list(run.path.iterdir()) == []


async def test_a_training_that_is_cancelled_takes_its_socket_away(run):
    there = asyncio.Event()

    async def train():
        async with listening(run, Control()):
            there.set()
            await asyncio.sleep(60)

    training = asyncio.create_task(train())
    await there.wait()
    training.cancel()
    with pytest.raises(asyncio.CancelledError):
        await training
    assert list(run.path.iterdir()) == []


@pytest.mark.parametrize("put", [bound, lambda run: a_file(run.socket), lambda run: run.socket.mkdir()])
async def test_what_has_replaced_the_socket_is_left_alone(run, put):
    async with listening(run, Control()):
        run.socket.unlink()
        replacement = put(run)
        about = run.socket.lstat()
    assert os.path.samestat(run.socket.lstat(), about)
    if replacement:
        replacement.close()


async def test_a_folder_that_is_removed_meanwhile_is_no_trouble(run):
    async with listening(run, Control()):
        run.socket.unlink()
        run.path.rmdir()
    assert not run.path.exists()


@pytest.mark.parametrize("turns", range(8))
async def test_no_descriptor_and_no_task_outlive_the_context_at_whatever_moment_it_is_left(run, turns):
    tasks, before = asyncio.all_tasks(), descriptors()
    with contextlib.ExitStack() as clients:
        async with listening(run, Control()):
            for sent in (b"", b"{", PAUSE, b"?\n" * 50_000):
                dialling = clients.enter_context(dialled(run))
                dialling.setblocking(False)
                dialling.send(sent)
            for _ in range(turns):
                await asyncio.sleep(0)
        assert asyncio.all_tasks() == tasks
    assert descriptors() == before


# What a client bears


def test_a_run_that_is_not_under_way_is_told(run):
    with pytest.raises(NotControllableError) as caught:
        ask(run, Pause())
    assert str(caught.value) == f"{run.id} is not running here, or cannot be controlled from outside"
    with pytest.raises(NotControllableError, match=r"^gone\\x1b is not running here"):
        ask(Run(run.path / "gone\x1b"), Pause())
    a_file(run.path / "file")
    with pytest.raises(NotControllableError, match="Not a directory"):
        ask(Run(run.path / "file"), Pause())


def test_a_socket_that_nobody_listens_to_is_told(run):
    with bound(run), pytest.raises(NotControllableError, match=r"listened at .*control\.sock is gone, or runs on"):
        ask(run, Pause())


def test_a_process_that_never_answers_is_waited_for_with_an_end(run, monkeypatch):
    monkeypatch.setattr(client, "PATIENCE_SECONDS", 0.05)
    before = descriptors()
    with bound(run) as other:
        other.listen()
        with pytest.raises(NotControllableError, match=r"did not answer within 0\.05 seconds; try again"):
            ask(run, Pause())
    assert descriptors() == before


@linux
def test_a_process_that_takes_no_more_clients_is_told(run):
    with bound(run) as other, contextlib.ExitStack() as clients:
        other.listen(0)
        clients.enter_context(dialled(run))
        with pytest.raises(NotControllableError, match="did not answer within 5 seconds"):
            ask(run, Pause())


@contextlib.contextmanager
def impostor(run, blocks):
    """Answer the first client with these blocks, as far as it takes them."""

    def answer():
        connection, _ = other.accept()
        with connection, contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.recv(LONGEST_LINE)
            for block in blocks:
                connection.sendall(block)

    with bound(run) as other:
        other.listen()
        thread = threading.Thread(target=answer)
        thread.start()
        yield
        thread.join()


@pytest.mark.parametrize(
    "answer",
    [
        b"\n",
        b"{}\n",
        b'{"ok":false}\n',
        b'{"ok":1}\n',
        b'{"ok":true,"more":1}\n',
        b'{"ok":true} \x1b[2J\n',
        b"HTTP/1.1 400 Bad Request\r\n",
        b"\xff\n",
        b"[" * 4000 + b"\n",
        b'{"x":' * 800 + b"\n",
        b'{"ok":true}' * 400_000,
    ],
)
def test_an_answer_that_is_none_is_told(run, answer):
    told = r"control\.sock is not understood; does the same version of cifar-tui run there\?$"
    with impostor(run, [answer]), pytest.raises(NotControllableError, match=told):
        ask(run, Pause())


@pytest.mark.parametrize("answer", [b"", b'{"ok":true}'])
def test_an_answer_that_is_not_whole_is_none(run, answer):
    with impostor(run, [answer]), pytest.raises(NotControllableError, match="left without an answer"):
        ask(run, Pause())


def test_an_answer_that_comes_byte_by_byte_is_not_waited_for_for_ever(run, monkeypatch):
    monkeypatch.setattr(client, "PATIENCE_SECONDS", 0.1)
    gone = threading.Event()

    def drops():
        while not gone.wait(0.02):
            yield b" "

    with impostor(run, drops()):
        with pytest.raises(NotControllableError, match="did not answer"):
            ask(run, Pause())
        gone.set()


def test_an_error_in_an_answer_is_printable_and_of_a_bounded_length(run):
    answer = b'{"error":"\\u001b[2J\\u202e\\n%s"}\n' % (b"x" * 3000)
    with impostor(run, [answer]), pytest.raises(NotControllableError) as caught:
        ask(run, Pause())
    assert str(caught.value).startswith(r"\x1b[2J\u202e\nxxx")
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) == protocol.LONGEST_SENTENCE


async def test_a_process_that_has_just_taken_the_run_over_is_waited_for(run):
    control = Control()
    with locked(run):
        asked = asyncio.create_task(asyncio.to_thread(ask, run, Pause()))
        await asyncio.sleep(0.2)
        assert not asked.done()
        async with listening(run, control):
            await asked
    assert control.take() is Request.PAUSE
