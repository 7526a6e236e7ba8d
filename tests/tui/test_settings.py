"""Whatever a settings file holds, the app opens; what is wrong is told, and what is right counts."""

import os

import pytest

from cifar_tui.settings import Layout, Settings, read_layout, read_settings, write_layout


@pytest.fixture
def path(tmp_path):
    return tmp_path / "settings.toml"


def test_no_file_is_no_fault(path):
    assert read_settings(path) == Settings()


def test_what_is_right_is_taken_over(path):
    path.write_text('theme = "light"\nascii = true\n[keys]\n"monitor.pause" = "space,p"\n')
    settings = read_settings(path)
    assert (settings.theme, settings.ascii, settings.faults) == ("light", True, ())
    assert dict(settings.keys) == {"monitor.pause": "space,p"}


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("theme = ", "is not valid TOML"),
        ('theme = "pink"', "theme: must be one of dark, light, ansi, not "),
        ("theme = [1]", "theme: must be one of"),
        ("ascii = 1", "ascii: must be true or false, not 1"),
        ("keys = 3", "keys: must be a table of names of keys"),
        ("colour = 1", "colour: unknown; known are theme, ascii and keys"),
        ('"\\u001b[31m" = 1', "\\x1b[31m: unknown"),
    ],
)
def test_what_is_wrong_is_one_printable_sentence_that_names_the_file(text, fault, path):
    path.write_text(text)
    [told] = read_settings(path).faults
    assert fault in told
    assert str(path) in told
    assert told.isprintable()


@pytest.mark.parametrize("keys", ["3", '""', '"a,,b"', '"\\u001b[31m"', '["a"]'])
def test_a_key_that_is_none_is_left_out_and_the_others_count(keys, path):
    path.write_text(f'theme = "light"\n[keys]\n"quit" = "Q"\n"monitor.pause" = {keys}\n')
    settings = read_settings(path)
    assert dict(settings.keys) == {"quit": "Q"}
    assert settings.theme == "light"
    [told] = settings.faults
    assert "keys.monitor.pause: must be" in told


def test_a_folder_a_file_as_folder_and_bytes_that_are_no_text_are_told(path, tmp_path):
    path.mkdir()
    assert "is no file" in read_settings(path).faults[0]
    other = tmp_path / "file"
    other.write_bytes(b"\xff\xfe\x00")
    assert "UTF-8" in read_settings(other).faults[0]
    assert "cannot be read" in read_settings(other / "settings.toml").faults[0]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_must_not_be_looked_into_is_told(path, tmp_path):
    tmp_path.chmod(0)
    try:
        assert "cannot be read" in read_settings(path).faults[0]
        assert read_layout(path) == Layout()
    finally:
        tmp_path.chmod(0o700)


def test_the_layout_is_remembered(tmp_path):
    path = tmp_path / "new" / "layout.json"
    layout = Layout(theme="ansi", hidden={"log"}, log=True, smoothing=0.6, recent=True, sort="-best")
    write_layout(path, layout)
    assert read_layout(path) == layout


@pytest.mark.parametrize(
    "content",
    [b"", b"[" * 100_000, b"[]", b"\xff", b'{"theme": "pink"}', b'{"smoothing": 7}', b'{"smoothing": -1}'],
    ids=range(7),
)
def test_a_damaged_layout_is_as_none(content, tmp_path):
    path = tmp_path / "layout.json"
    path.write_bytes(content)
    assert read_layout(path) == Layout()


def test_a_layout_that_cannot_be_written_is_forgotten(tmp_path):
    (tmp_path / "file").touch()
    write_layout(tmp_path / "file" / "layout.json", Layout())
    assert read_layout(tmp_path / "file" / "layout.json") == Layout()
