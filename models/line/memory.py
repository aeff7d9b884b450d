"""Where large results are written."""

import numpy as np
import torch


def fresh(shape, like):
    """An uninitialised tensor with the dtype and device of `like`.

    On a CPU it comes from numpy, which asks the system for large pages: torch does not, and to touch
    the thousands of small ones of a big result for the first time takes longer than the arithmetic.
    """
    if like.device.type == "cpu" and like.dtype == torch.float32:
        return torch.from_numpy(np.empty(tuple(shape), np.float32))
    return like.new_empty(shape)
