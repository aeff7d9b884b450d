"""Where the host wants a picture to be worked on and kept, and how it shows progress."""

import comfy.model_management
import comfy.utils
import torch


def compute_device():
    """The device that does the work."""
    return comfy.model_management.get_torch_device()


def intermediate_device():
    """The device on which results wait for the next node."""
    return comfy.model_management.intermediate_device()


def on_device(function, *images):
    """function(*images) computed where the work is done, its result where the next node looks for it."""
    return function(*(image.to(compute_device()) for image in images)).to(intermediate_device())


def handed_on(*results):
    """Results of a node whose work was done on the CPU: pictures where the next node looks for them."""
    return [one.to(intermediate_device()) if isinstance(one, torch.Tensor) else one for one in results]


def progress_bar(total):
    """The running node's progress bar; each `update(n)` also lets the user interrupt."""
    return comfy.utils.ProgressBar(total)


def progress(total):
    """A function to call with how much of `total` is done: shows it on the running node, and lets the user interrupt
    at every call, while a bar asks only when it is drawn."""
    bar = progress_bar(total)

    def done(amount):
        comfy.model_management.throw_exception_if_processing_interrupted()
        bar.update_absolute(amount)

    return done
