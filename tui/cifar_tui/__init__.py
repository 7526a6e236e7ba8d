"""The faces of cifar-tui: the command line and what it shows."""
