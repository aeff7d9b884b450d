"""What SCFT's training minimises, torch only; pictures (B, 3, H, W) in -1..1.

The perceptual losses look through `stages`, a function that gives the activations of VGG19 after relu1_2, 2_2, 3_4,
4_4 and 5_4; its weights are no part of this pack.
"""

import torch.nn as nn
import torch.nn.functional as F

MARGIN = 12
WEIGHTS = {"triplet": 1.0, "reconstruction": 30.0, "adversarial": 1.0, "perceptual": 0.01, "style": 50.0}
STAGES = (3, 8, 17, 26, 35)  # of VGG19's features: the last activation before each pooling


def generator_losses(generator, discriminator, stages, reference, line, target):
    """Every loss of the generator by its name in WEIGHTS, and the picture; without stages, not those through VGG."""
    joint_r, joint_s, maps = generator.encode(reference, line)
    right = generator.scft.products(joint_r, joint_s)
    wrong = generator.scft.wrong_products(joint_r, joint_s)
    picture = generator.decode(generator.scft(joint_r, joint_s), maps)
    losses = {
        "triplet": triplet(right, wrong),
        "reconstruction": F.l1_loss(picture, target),
        "adversarial": (discriminator(picture, line) - 1).square().mean(),
    }
    if stages is not None:
        ours, theirs = stages((picture + 1) / 2), stages((target + 1) / 2)
        losses["perceptual"] = sum(F.l1_loss(a, b) for a, b in zip(ours, theirs, strict=True))
        losses["style"] = F.l1_loss(gram(ours[-1]), gram(theirs[-1]))
    return losses, picture


def weighted(losses):
    """Each loss as it counts in their sum."""
    return {name: WEIGHTS[name] * loss for name, loss in losses.items()}


def discriminator_loss(discriminator, picture, target, line):
    """Least squares: 0 for the generator's picture, which is detached here, 1 for the real one."""
    fake, real = discriminator(picture.detach(), line), discriminator(target, line)
    return fake.square().mean() + (real - 1).square().mean()


def triplet(right, wrong):
    """Products with the own reference are to exceed those with another picture's by MARGIN."""
    return F.relu(wrong - right + MARGIN).mean()


def gram(activations):
    """Products of all channels of the whole batch, as published: pictures of a batch are mixed."""
    flat = activations.flatten(0, 1).flatten(1)  # B C, H W
    return flat @ flat.mT / activations.numel()


class VGG19(nn.Module):
    """The `stages` of a state dict of torchvision's VGG19 (`features.*`), of any width.

    As published, without the normalisation that VGG was trained with.
    """

    def __init__(self, state_dict):
        super().__init__()
        self.features = nn.Sequential()
        for index in range(STAGES[-1] + 1):
            weight = state_dict.get(f"features.{index}.weight")
            if weight is not None:
                self.features.append(nn.Conv2d(*weight.shape[1::-1], 3, padding=1))
            else:
                self.features.append(nn.MaxPool2d(2) if index - 1 in STAGES else nn.ReLU())
        self.load_state_dict(state_dict)
        self.requires_grad_(False)

    def forward(self, x):
        found = []
        for index, layer in enumerate(self.features):
            x = layer(x)
            if index in STAGES:
                found.append(x)
        return found
