"""``python -m cifar_tui`` is ``cifar-tui``."""

from cifar_tui.cli import main

main()
