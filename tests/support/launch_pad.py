"""The launch screen for tests: what it shows, and how to wait until it shows it."""

from cifar_experiments.presets.files import user_folder
from cifar_tui.widgets.configuration import Configuration
from cifar_tui.widgets.picker import Picker
from cifar_tui.widgets.rows import Rows


def own_folders(path, monkeypatch):
    """Have the user's presets, the images and the current folder be below ``path``."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(path / "config"))
    monkeypatch.setenv("CIFAR_TUI_DATA", str(path / "data"))
    monkeypatch.chdir(path)


async def until(pilot, condition):
    for _ in range(500):
        if condition():
            return
        await pilot.pause(0.01)
    raise AssertionError(text(pilot.app))


async def settled(pilot):
    """The screen shows what the draft comes to."""
    screen = pilot.app.screen_stack[0]
    await until(pilot, lambda: screen._effect is not None and screen._effect.draft == screen._draft)
    await pilot.pause()


async def press(pilot, *keys):
    await pilot.press(*keys)
    await settled(pilot)


def text(app):
    return "\n".join(strip.text for strip in app.screen._compositor.render_strips())


def draft(app):
    return app.screen_stack[0]._draft


def picker(app, kind):
    return app.screen_stack[0].query_one(f"#{kind}", Picker)


def said(app):
    return " ".join(notification.message for notification in app._notifications)


def preset(kind, name, content):
    path = user_folder() / kind / f"{name}.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


async def go_to_key(pilot, key):
    """Put the cursor of the configuration on a key."""
    configuration = pilot.app.screen.query_one(Configuration)
    rows = configuration.query_one(Rows)
    rows.focus()
    rows.action_go([row.key for row in configuration._visible].index(key))
    await pilot.pause()
