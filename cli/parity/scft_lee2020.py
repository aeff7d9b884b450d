"""Golden data of SCFT: both networks part by part, every loss, references."""

import torch

from ...models import tps
from ...models.scft import losses
from ...models.scft.network import Discriminator, Generator, config, discriminator_config

TOLERANCES = [("*", 1e-4)]
LOSSES = {"adversarial": "adv_gen", "reconstruction": "rec"}  # ours -> the golden file's name


@torch.inference_mode()
def outputs(golden, meta):
    generator, discriminator, vgg = networks(golden)
    reference, line, target = (golden[f"in/{name}"] for name in ("reference", "sketch", "target"))
    _, maps_r = generator.encoder_r(reference)
    joint_r, joint_s, maps_s = generator.encode(reference, line)
    yield "out/V_r", joint_r
    yield "out/V_s", joint_s
    for name in golden:
        for one, maps in (("r", maps_r), ("s", maps_s)):
            if name.startswith(f"out/enc_{one}_feat_"):
                yield name, maps[int(name.rpartition("_")[2])]

    products = generator.scft.products(joint_r, joint_s)
    yield "out/scft_dot_pos", products
    yield "out/scft_dot_neg", generator.scft.wrong_products(joint_r, joint_s)
    yield "out/scft_attention", products.softmax(dim=-1)
    transferred = generator.scft(joint_r, joint_s)
    yield "out/scft_C", transferred
    yield "out/resblocks", generator.resblocks(transferred)
    yield "out/decoder", generator.decode(transferred, maps_s)

    picture = generator(reference, line)
    yield "out/generated", picture
    yield "out/generated_infer_first", generator(reference[:1], line[:1])
    yield "out/disc_fake", discriminator(picture, line)
    yield "out/disc_real", discriminator(target, line)

    found, _ = losses.generator_losses(generator, discriminator, vgg, reference, line, target)
    yield from ((f"out/loss_{LOSSES.get(name, name)}", loss) for name, loss in found.items())
    yield "out/loss_gen_total", sum(losses.weighted(found).values())
    yield "out/loss_disc", losses.discriminator_loss(discriminator, picture, target, line)

    yield from augmented(golden)
    yield "out/generated_trainmode", generator.train()(reference, line)  # last: it moves the running statistics


def networks(golden):
    def weights(part):
        prefix = f"weights/{part}/"
        return {name.removeprefix(prefix): tensor for name, tensor in golden.items() if name.startswith(prefix)}

    generator = Generator(**config(weights("generator")))
    discriminator = Discriminator(**discriminator_config(weights("discriminator")))
    for network, part in ((generator, "generator"), (discriminator, "discriminator")):
        network.load_state_dict(weights(part))
        network.eval()
    return generator, discriminator, losses.VGG19(weights("vgg"))


def augmented(golden):
    image = golden["in/tps/image"].movedim(-1, 0)[None] / 255
    jittered = tps.jitter(image, golden["in/tps/jitter"][None] / 255)
    source, target = (golden[f"in/tps/{points}"][None] for points in ("c_src", "c_dst"))
    parameters = tps.fit(source, target)
    grid = tps.grid(parameters, target, *image.shape[2:])
    yield "out/tps/jittered", 255 * jittered[0].movedim(0, -1)
    yield "out/tps/theta", parameters[0]
    yield "out/tps/grid", grid[0]
    yield "out/tps/warped", 255 * tps.warp(jittered, grid)[0].movedim(0, -1).clamp(0, 1)
