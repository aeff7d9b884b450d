"""A UNet of the host that colours a sketch after reference tokens. ColorizeDiffusion and its XL are built on it."""

from contextlib import suppress
from itertools import compress

import torch
import torch.nn.functional as F
from comfy.ldm.modules import attention
from comfy.ldm.modules.diffusionmodules.openaimodel import UNetModel

from ..reading import Call, blend, in_window, progress

CALL = "lineart_call"  # a `Call` in transformer_options


class ReferenceUNet(UNetModel):
    """Adds sketch hints, strengths per block, split tokens, guidance windows and injected features.

    hint_blocks  numbers of the input blocks to whose output the conditions hint_0, hint_1, ... are added
    lora         name of a cross-attention's to_q, to_k or to_v -> {name of a LoRA: rank}
    """

    hint_blocks = ()

    def __init__(self, *args, lora=None, dtype=None, device=None, operations=None, **config):
        super().__init__(*args, dtype=dtype, device=device, operations=operations, **config)
        place = {"dtype": dtype, "device": device, "operations": operations}
        blocks = [found for found in self.named_modules() if isinstance(found[1], attention.BasicTransformerBlock)]
        for number, (name, block) in enumerate(blocks):
            ranks = {to: (lora or {}).get(f"{name}.attn2.{to}", {}) for to in ("to_q", "to_k", "to_v")}
            block.attn1 = self.self_attention(block.attn1, number, place)
            block.attn2 = SplitAttention(block.attn2, number, place, ranks)
        self.transformer_blocks = len(blocks)
        self.context_dim = config["context_dim"]

    def self_attention(self, replaced, number, place):
        return SelfAttention(replaced, number, place)

    def forward(
        self,
        x,
        timesteps=None,
        context=None,
        y=None,
        control=None,
        transformer_options={},  # noqa: B006 - as the host's
        reading=None,
        mask=None,
        guided=None,
        injected=None,
        **conds,
    ):
        """The host's forward, with conditions of ours.

        context   tokens (B, n, C)
        reading   `Reading`
        mask      figures of the drawing (B, 1, h, w), 0..1, for reading.split
        guided    B times whether a row has tokens; those of the others are zero
        injected  latent of the reference (B, 4, h, w), for reading.injection
        hint_i    map for the hint block i (B, C, ~h / ratio, ~w / ratio)
        injected_hint_i  the same for the injected latent
        """
        context = in_window(context, timesteps, reading)
        guided = guided or (True,) * len(x)
        call = Call(reading, mask, None if all(guided) else numbers(guided, x.device))
        conds = {"context": context, "y": y, **conds}
        if injected is not None and progress(float(timesteps[0])) >= reading.injection.start:
            self.inject(call, injected, timesteps, guided, transformer_options, conds)
        return self.run(x, timesteps, control, transformer_options, call, conds)

    def run(self, x, timesteps, control, transformer_options, call, conds, hint="hint"):
        hints = {block: conds[f"{hint}_{i}"] for i, block in enumerate(self.hint_blocks) if f"{hint}_{i}" in conds}
        patches = dict(transformer_options.get("patches", {}))
        for name, patch in self.patches(call, hints, conds).items():
            patches[name] = [patch, *patches.get(name, ())]
        options = {**transformer_options, CALL: call, "patches": patches}
        return super().forward(x, timesteps, conds["context"], conds["y"], control, options)

    def patches(self, call, hints, conds):
        """What is done inside the host's UNet: name of a patch -> function, called before those of other nodes."""

        def add_hint(h, options):
            hint = hints.get(options["block"][1])
            if hint is None:
                return h
            if hint.shape[2:] != h.shape[2:]:  # another node works at a smaller size in between
                hint = F.interpolate(hint, h.shape[2:], mode="bilinear")
            return h + hint

        return {"input_block_patch": add_hint}

    def inject(self, call, latent, timesteps, guided, transformer_options, conds):
        """Fills the call's bank from the reference, noised to the noise level of the step.

        In fast mode the rows without tokens are left out, and read some of those of the first rows that have tokens.
        """
        injection, options = call.reading.injection, {**transformer_options, "wrappers": {}}
        sigma = transformer_options["sigmas"][:1].view(1, 1, 1, 1).to(latent)
        noised = (latent + sigma * self.noise(latent[:1], injection.seed, timesteps)) / (1 + sigma**2).sqrt()

        plain = numbers([not has for has in guided], latent.device)
        fast = injection.fast and 0 < len(plain) < len(guided)
        if fast or (len(plain) and injection.fidelity > 1e-5):
            call.plain = plain

        writing = Call(call.reading, call.mask, call.guided)
        if fast:
            chunks, rows = transformer_options["cond_or_uncond"], call.guided
            length = len(guided) // len(chunks)
            call.source = plain % length
            options["cond_or_uncond"] = list(range(len(rows) // length))
            noised, timesteps, conds = noised[rows], timesteps[rows], select(conds, rows)
            writing = Call(call.reading, None if call.mask is None else call.mask[rows])
        writing.bank, writing.last = {}, self.transformer_blocks - 1
        with suppress(Written):
            self.run(noised, timesteps, None, options, writing, conds, hint="injected_hint")
        call.bank = writing.bank

    def noise(self, like, seed, timesteps):
        """One draw for all rows, the same for a seed and a timestep."""
        generator = torch.Generator().manual_seed(seed + round(float(timesteps[0])))
        return torch.randn(like.shape, generator=generator).to(like)


def select(conds, rows):
    """Conditions of some rows only."""
    return {name: cond[rows] if torch.is_tensor(cond) else cond for name, cond in conds.items()}


def numbers(chosen, device):
    """Numbers (n,) of the rows that are chosen."""
    return torch.tensor(list(compress(range(len(chosen)), chosen)), dtype=torch.long, device=device)


class Written(Exception):
    """The bank is full: nothing of the UNet behind the last self-attention is needed."""


class ReferenceAttention(attention.CrossAttention):
    """In place of one of the host's layers: the same weights under the same names."""

    def __init__(self, replaced, number, place):
        widths = {"query_dim": replaced.to_q.in_features, "context_dim": replaced.to_k.in_features}
        super().__init__(
            **widths,
            heads=replaced.heads,
            dim_head=replaced.dim_head,
            attn_precision=replaced.attn_precision,
            **place,
        )
        self.number = number

    def attend(self, q, k, v, transformer_options):
        return attention.optimized_attention(
            q, k, v, self.heads, attn_precision=self.attn_precision, transformer_options=transformer_options
        )


class SelfAttention(ReferenceAttention):
    """Writes its keys and values to the call's bank, or reads the bank's beside its own."""

    def forward(self, x, context=None, value=None, mask=None, transformer_options={}):  # noqa: B006
        call = transformer_options.get(CALL)
        if call is None or call.bank is None:
            return super().forward(x, context, value, mask, transformer_options)
        context = x if context is None else context
        q, k, v = self.to_q(x), self.to_k(context), self.to_v(context if value is None else value)
        if call.last is not None:
            call.bank[self.number] = k, v
            if self.number == call.last:
                raise Written
            return self.to_out(self.attend(q, k, v, transformer_options))

        def attend(q, own, bank):
            return self.attend(
                q, *(torch.cat(pair, dim=1) for pair in zip(own, bank, strict=True)), transformer_options
            )

        bank, rows, fidelity = call.bank[self.number], call.plain, call.reading.injection.fidelity
        if call.source is None:
            found = attend(q, (k, v), bank)
            if rows is not None:
                plain = self.attend(q[rows], k[rows], v[rows], transformer_options)
                found[rows] = torch.lerp(found[rows], plain, fidelity)
            return self.to_out(found)

        # a mean with plain attention, taken by how many keys there are to read: in place of two passes over them
        count = bank[0].shape[1]
        some = torch.linspace(0, count - 1, round(count * (1 - fidelity) / (1 + fidelity)), device=x.device).long()
        found, others = torch.empty_like(q), call.guided
        found[others] = attend(q[others], (k[others], v[others]), bank)
        found[rows] = attend(q[rows], (k[rows], v[rows]), [part[call.source][:, some] for part in bank])
        return self.to_out(found)


class SplitAttention(ReferenceAttention):
    """Reads tokens at the block's strength; the drawing's figures one half of them, its ground the other.

    The strength is put on before `to_out`, whose bias stays whole. Published LoRA layers `to_q.lora_up_fg` are named
    `to_q_lora_up_fg`: to the host, a layer with layers inside is none.
    """

    def __init__(self, replaced, number, place, ranks):
        super().__init__(replaced, number, place)
        linear = {key: place[key] for key in ("dtype", "device")}
        for to, names in ranks.items():
            layer = getattr(self, to)
            for name, rank in names.items():
                down = place["operations"].Linear(layer.in_features, rank, bias=False, **linear)
                up = place["operations"].Linear(rank, layer.out_features, bias=False, **linear)
                setattr(self, f"{to}_lora_down_{name}", down)
                setattr(self, f"{to}_lora_up_{name}", up)
        self.names = {name for names in ranks.values() for name in names}

    def forward(self, x, context=None, value=None, mask=None, transformer_options={}):  # noqa: B006
        call = transformer_options.get(CALL)
        if call is None:
            return super().forward(x, context, value, mask, transformer_options)
        if call.guided is None or value is not None:
            return self.to_out(self.read(x, context, value, call, None, transformer_options))
        # attention to zeros gives zeros, of which to_out leaves its bias
        out, rows = self.to_out(x.new_zeros(1, 1, self.heads * self.dim_head)).repeat(*x.shape[:2], 1), call.guided
        if len(rows):
            out[rows] = self.to_out(self.read(x[rows], context[rows], None, call, rows, transformer_options))
        return out

    def read(self, x, context, value, call, rows, transformer_options):
        """What `x` (B, n, C) reads of the tokens, before `to_out`; it is these rows of the call, None = all."""
        value = context if value is None else value
        strength, split = call.reading.strengths[self.number], call.reading.split
        q, k, v = self.to_q(x), self.to_k(context), self.to_v(value)
        if split is None:
            return strength * self.attend(q, k, v, transformer_options)

        found = []
        halves = zip(context.chunk(2, 1), value.chunk(2, 1), k.chunk(2, 1), v.chunk(2, 1), strict=True)
        for name, (tokens, values, keys, answers) in zip(split.lora, halves, strict=True):
            if name in self.names:
                parts = (("to_q", x, q), ("to_k", tokens, keys), ("to_v", values, answers))
                projected = [base + self.lora(to, name, read) for to, read, base in parts]
            else:
                projected = q, keys, answers
            found.append(self.attend(*projected, transformer_options))
        mask = call.mask_at(*transformer_options["activations_shape"][2:]).flatten(2).mT
        mask = mask if rows is None else mask[rows]
        return strength * blend(split, mask, *found, adapted=bool(self.names))

    def lora(self, to, name, x):
        return getattr(self, f"{to}_lora_up_{name}")(getattr(self, f"{to}_lora_down_{name}")(x))
