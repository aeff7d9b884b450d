"""Measures of other libraries: used where these are installed and, for the learned ones, where their weights are."""

import importlib.util
import warnings
from functools import partial

import torch

MS_SSIM_SIDE = 176  # px: an 11 px window at 1/16
LPIPS, FID = "LPIPS (AlexNet)", "FID"


def measures(size, alexnet=None, inception=None):
    """Those that can be taken of pictures of a size, as {name: f(pictures, truth) -> values}, and why others cannot.

    alexnet    file of torchvision's AlexNet (alexnet-owt-*.pth), for LPIPS (Zhang et al. 2018)
    inception  file of torch-fidelity's Inception (weights-inception-2015-12-05-*.pth), for FID (Heusel et al. 2017)

    Values are one per picture, for FID a single one. Notes are sentences.
    """
    found, notes = {}, []
    for name, package, make, file, option in (
        ("MS-SSIM", "torchmetrics", lambda _: ms_ssim, None, None),
        (LPIPS, "lpips", lpips, alexnet, "--alexnet"),
        (FID, "torch_fidelity", lambda path: partial(fid, path), inception, "--inception"),
    ):
        if option and file is None:
            notes.append(f"{name} is not measured: it needs feature weights, which are no part of the pack ({option}).")
        elif importlib.util.find_spec(package) is None:
            notes.append(f"{name} is not measured: the package {package.replace('_', '-')} is not installed.")
        elif name == "MS-SSIM" and size < MS_SSIM_SIDE:
            notes.append(f"MS-SSIM is not measured: it needs pictures of {MS_SSIM_SIDE} px and more.")
        else:
            found[name] = make(file)
    return found, notes


def ms_ssim(pictures, truth):
    """Wang et al. 2003, five scales."""
    from torchmetrics.functional.image import multiscale_structural_similarity_index_measure as similarity

    return similarity(pictures, truth, data_range=1.0, reduction="none")


def lpips(alexnet):
    """The learned distance on AlexNet's features, as a function of pictures and truth; lower is better."""
    import lpips

    features = {
        key: weight
        for key, weight in torch.load(alexnet, map_location="cpu", weights_only=True).items()
        if key.startswith("features.")
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it names torchvision's options as they were
        network = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False)
    expected = network.net.state_dict()
    if [weight.shape for weight in features.values()] != [weight.shape for weight in expected.values()]:
        raise SystemExit(f"--alexnet: {alexnet} does not hold torchvision's AlexNet (features.0.weight, ...).")
    network.net.load_state_dict(dict(zip(expected, features.values(), strict=True)))

    @torch.no_grad()
    def distance(pictures, truth):
        return network(pictures, truth, normalize=True).flatten()

    return distance


def fid(inception, pictures, truth):
    """Frechet distance of the two sets; far off for few pictures, so compare equal counts only."""
    from torchmetrics.image.fid import FrechetInceptionDistance

    if len(pictures) < 2:
        return torch.tensor([torch.nan])
    metric = FrechetInceptionDistance(normalize=True, feature_extractor_weights_path=str(inception))
    metric.set_dtype(torch.float64)
    for part, real in ((truth, True), (pictures, False)):
        for some in part.split(16):
            metric.update(some, real=real)
    return metric.compute()[None]
