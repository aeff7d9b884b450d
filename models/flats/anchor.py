"""Flats hold a sampler: at every step each region's mean chroma is set back to that of the flats.

Only the mean is touched, and of it only what is not brightness: shade, texture and everything inside a region stay
the model's. In a latent space, chroma is read by the linear map to RGB that the host's previews use.
"""

import torch
import torch.nn.functional as F

from ..image import repeat_batch

YCC = ((0.299, -0.168736, 0.5), (0.587, -0.331264, -0.418688), (0.114, 0.5, -0.081312))  # RGB to Y Cb Cr, ITU-R 601


class Anchor:
    """What the host calls after guidance with the predicted picture of every step.

    labels   (B, H, W) regions from 1, at any size
    latent   (B, C, h, w) the flats, as the model sees them
    factors  (C, 3) from the latent's channels to RGB
    strength 1 sets the mean, less goes a part of the way
    """

    def __init__(self, labels, latent, factors, strength=1.0):
        batch = max(len(labels), len(latent))
        self.labels, latent = repeat_batch(labels, batch), repeat_batch(latent, batch)
        self.strength = strength
        self.to_ycc = factors.float() @ torch.tensor(YCC)  # (C, 3)
        self.count = int(labels.max()) + 1
        self.targets = self._chroma_means(latent.float(), *self._cells(latent))
        self.fitted = {}

    def __call__(self, args):
        denoised = args["denoised"]
        if denoised.ndim != 4:
            raise ValueError(
                f"LineartAnchor holds pictures, but this model samples {tuple(denoised.shape)}, as of video."
            )
        if denoised.shape[-2:] not in self.fitted:  # another size: a second pass
            self.fitted = {denoised.shape[-2:]: self._cells(denoised)}
        frames = torch.arange(len(denoised)) % len(self.labels)
        cells, purity = (part[frames].to(denoised.device) for part in self.fitted[denoised.shape[-2:]])
        x = denoised.float()
        means = self._chroma_means(x, cells, purity)
        wanted = self.targets[frames].to(x) - means  # (B, n, 2), nan where a region has no cell
        wanted = torch.stack([step[cell] for step, cell in zip(wanted.nan_to_num(0), cells, strict=True)])
        step = F.pad(wanted, (1, 0)) @ torch.linalg.pinv(self.to_ycc.to(x))  # brightness stays: (B, h, w, C)
        step = step * self._evenly(cells, purity)[..., None]
        return (x + self.strength * step.movedim(-1, 1)).to(denoised)

    def _cells(self, like):
        """The region of every cell of a latent, (B, h, w), and how much of the cell is that region's, 0..1."""
        height, width = like.shape[-2:]
        labels = self.labels[:, None].float().cpu()
        cells = F.interpolate(labels, (height, width), mode="nearest-exact")
        same = (F.interpolate(cells, labels.shape[-2:], mode="nearest-exact") == labels).float()
        return cells[:, 0].long(), F.interpolate(same, (height, width), mode="area")[:, 0]

    def _chroma_means(self, x, cells, purity):
        """(B, n, 2) of x (B, C, h, w), cells counted by their purity."""
        chroma = x.movedim(1, -1) @ self.to_ycc.to(x)[:, 1:]
        sums = self._sums(torch.cat([chroma * purity[..., None], purity[..., None]], dim=-1).to(x), cells)
        return sums[..., :2] / sums[..., 2:]

    def _evenly(self, cells, purity):
        """Weights (B, h, w) of a step that move the mean by one: whole cells move most, shared ones spill least."""
        first, second = self._sums(torch.stack([purity, purity**2], dim=-1), cells).unbind(-1)
        ratio = (first / second).nan_to_num(0)
        return purity * torch.stack([one[cell] for one, cell in zip(ratio, cells, strict=True)])

    def _sums(self, values, cells):
        """(B, n, K) of values (B, h, w, K) over the cells of each region."""
        empty = values.new_zeros(self.count, values.shape[-1])
        pairs = zip(values, cells, strict=True)
        return torch.stack([empty.index_add(0, cell.flatten(), value.flatten(0, 1)) for value, cell in pairs])
