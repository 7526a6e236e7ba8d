"""The engine of cifar-tui: training as an async generator of events. Knows torch; knows no terminal."""
