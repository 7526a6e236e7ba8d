"""A process that has imported torch, and forks a child for each command that it is told to run.

Started by ``commands.py``. Each child is the whole command, in a session of its own, as it would be when started
from a shell; only the seconds of importing torch are spared, so that hundreds of them can be killed in a minute.
"""

import json
import os
import sys

import cifar_core.trainer  # noqa: F401, imports torch
from cifar_tui import cli, headless  # noqa: F401


def run(order):
    os.setsid()
    os.environ.clear()
    os.environ.update(order["env"])
    os.chdir(order["cwd"])
    if order["terminal"] is not None:
        terminal = os.open(order["terminal"], os.O_RDWR)  # which makes it the session's own
        for descriptor in (0, 1, 2):
            os.dup2(terminal, descriptor)
        os.close(terminal)
    else:
        for name, descriptor in (("stdout", 1), ("stderr", 2)):
            file = os.open(order[name], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            os.dup2(file, descriptor)
            os.close(file)
    sys.argv = ["cifar-tui", *order["arguments"]]
    exec(order["before"] or "", {})
    try:
        cli.main(order["arguments"])
    except SystemExit as done:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(done.code or 0)
    os._exit(99)


for line in sys.stdin:
    order = json.loads(line)
    if "wait" in order:
        _, status = os.waitpid(order["wait"], 0)
        print(os.waitstatus_to_exitcode(status), flush=True)
        continue
    if "poll" in order:
        ended, status = os.waitpid(order["poll"], os.WNOHANG)
        print(os.waitstatus_to_exitcode(status) if ended else "", flush=True)
        continue
    child = os.fork()
    if child == 0:
        run(order)
    print(child, flush=True)
