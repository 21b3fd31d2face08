"""The manual's architecture in PyTorch, where that is installed: the same training step by another library."""

import importlib.util
import time
from collections.abc import Callable

import numpy as np


def installed() -> bool:
    """Whether PyTorch can be compared with; the lab itself does not need it."""
    return importlib.util.find_spec("torch") is not None


def step_clock(noisy: np.ndarray, clean: np.ndarray, batch_size: int, steps: int, dtype: str) -> Callable[[], float]:
    """A function that trains the manual's model for ``steps`` steps and returns the median seconds of one.

    Parameters
    ----------
    noisy, clean : ndarray, shape (n, 28, 28), float32
        At least ``steps * batch_size`` digits.
    batch_size, steps : int
    dtype : str
        "float32", or "bfloat16" for automatic mixed precision.
    """
    import torch
    from torch import nn

    torch.manual_seed(0)
    transposed = {"kernel_size": 3, "stride": 2, "padding": 1, "output_padding": 1}
    model = nn.Sequential(
        *(nn.Conv2d(1, 32, 3, padding=1), nn.ReLU()),
        *(nn.Conv2d(32, 64, 3, stride=2, padding=1), nn.ReLU()),
        *(nn.Conv2d(64, 128, 3, stride=2, padding=1), nn.ReLU()),
        *(nn.ConvTranspose2d(128, 64, **transposed), nn.ReLU()),
        *(nn.ConvTranspose2d(64, 32, **transposed), nn.ReLU()),
        nn.Conv2d(32, 1, 3, padding=1),
    ).to(memory_format=torch.channels_last)  # the faster of PyTorch's two layouts on a CPU
    optimizer = torch.optim.Adam(model.parameters())
    loss_of = nn.BCEWithLogitsLoss()
    inputs, targets = (torch.from_numpy(digits).unsqueeze(1) for digits in (noisy, clean))
    mixed = torch.autocast("cpu", torch.bfloat16, enabled=dtype == "bfloat16")

    def read() -> float:
        seconds = []
        for start in range(0, steps * batch_size, batch_size):
            clock = time.perf_counter()
            x, y = (digits[start : start + batch_size] for digits in (inputs, targets))
            optimizer.zero_grad()
            with mixed:
                output = model(x.to(memory_format=torch.channels_last))
            loss = loss_of(output.float(), y)
            loss.backward()
            optimizer.step()
            loss.item()
            seconds.append(time.perf_counter() - clock)
        return float(np.median(seconds))

    return read
