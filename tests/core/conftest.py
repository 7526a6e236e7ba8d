"""What tests of networks share."""

import pytest
import torch


@pytest.fixture
def seeded():
    """Draws that are the same in every run, and leave the process's generator as it was."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


@pytest.fixture(scope="module")
def one_thread():
    """Steps on a few images gain little from a second thread, and wait long for one that is busy elsewhere."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
