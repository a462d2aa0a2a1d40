import logging

import pytest
import torch

torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _unchanged_process():
    """What a script under test does to the process must not reach the next test."""
    logger = logging.getLogger("fidip")
    before = logger.propagate, logger.level, list(logger.handlers)
    yield
    torch.set_num_threads(1)
    logger.propagate, logger.level = before[:2]
    logger.handlers[:] = before[2]


@pytest.fixture
def caught(caplog):
    """Log records of the package, from INFO."""
    logging.getLogger("fidip").propagate = True
    caplog.set_level(logging.INFO, "fidip")
    return caplog
