"""Objectives of the patch stages: everything jointly, the driver alone, the refinement alone."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from pdn_ros.classes import VOID, ClassSet, Role
from pdn_ros.network.composition import compose, on_cells
from pdn_ros.network.network_config import CONTEXT_SCALES, PatchGrid
from pdn_ros.network.pixels import DevicePixels
from pdn_ros.network.predict import patch_centres
from pdn_ros.network.segmentation import OUTPUT_STRIDE, Segmentation, upsample_to
from pdn_ros.network.selector import BUDGET_SHARE
from pdn_ros.training.data import Batch, Pairs
from pdn_ros.training.losses import distillation_loss, mask_loss, selection_loss, task_loss
from pdn_ros.training.objectives import Objective, halve
from pdn_ros.training.oracle import gain, oracle_mask, stakes, worth

NOISE = 0.05
"""Scale of the noise that perturbs the scores (Cordonnier et al., CVPR 2021)."""
COARSE_WEIGHT = 0.5
"""What the loss of the coarse logits counts beside that of the composed ones (`joint`)."""
DRIVER_WEIGHT = 0.2
"""What the driver's loss counts; its gradient meets no other part but shares the clipping."""
SINGLE_PASS_EVERY = 3
"""One step in so many is a single pass."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What context and driver say of a batch.

    Attributes:
        grid: The patch grid.
        context: Coarse logits and features.
        coarse: (B, C, h, w) coarse logits on the stride-4 cells of the padded image.
        mask: (B, H, W) the coarse mask.
        weights: (B, rows, cols) the driver's weights.
    """

    grid: PatchGrid
    context: Segmentation
    coarse: Tensor
    mask: Tensor
    weights: Tensor


class PatchObjective(Objective):
    """What both stages share: the frozen context, the driver's weights, refined patches."""

    def _see(self, batch: Batch, seed: int, *, frozen: bool = True) -> Seen:
        """Run context and driver at a random context scale; no gradient goes into the context."""
        height, width = batch.labels.shape[1:]
        rng = np.random.default_rng(seed)
        scale = float(rng.choice(CONTEXT_SCALES, p=self.stage.context_shares))
        grid = PatchGrid(height, width, self.net.config.patch_size, scale)
        cells = grid.size // OUTPUT_STRIDE
        small = functional.interpolate(batch.images.float(), size=grid.context_size, mode="area")
        with torch.set_grad_enabled(not frozen and torch.is_grad_enabled()):
            context = self.net.context(self.net.normalise(small.round()))
            coarse = torch.stack(
                [
                    on_cells(one[None], scale, (grid.rows * cells, grid.cols * cells))
                    for one in context.logits
                ]
            )
            mask = label_mask(coarse, batch)
        detached = Segmentation(context.logits.detach().float(), context.features.detach().float())
        with torch.autocast(coarse.device.type, enabled=False):
            weights = self.net.driver(detached, grid.rows, grid.cols, grid.cell)
        return Seen(grid, context, coarse, mask, weights)

    def _valued(self) -> tuple[int, ...]:
        classes = ClassSet.model_validate_json(self.net.classes)
        return tuple({*classes.thin, *classes.with_role(Role.DYNAMIC)})

    def _worth(self, batch: Batch, seen: Seen) -> Tensor:
        """Return what the labels say of each patch, (B, rows, cols)."""
        return per_patch(worth(batch.labels, seen.mask, self._valued()), seen.grid)

    def _gate_loss(self, weights: Tensor, value: Tensor, cost: Tensor | None = None) -> Tensor:
        loss = mask_loss(weights, oracle_mask(value, BUDGET_SHARE), cost)
        if self.stage.sparsity:
            loss = loss + self.stage.sparsity * selection_loss(weights)
        return loss

    def _pick(self, weights: Tensor, value: Tensor, seed: int) -> Tensor:
        """Pick K patches, best first: some at random, the others by oracle or driver."""
        rng = np.random.default_rng(seed)
        count = min(value.numel(), max(2, round(BUDGET_SHARE * value.numel())))
        score = (value if self.stage.selection == "oracle" else weights.detach()).flatten()
        if self.stage.selection == "perturbed":
            score = score + NOISE * torch.from_numpy(rng.normal(size=len(score))).to(score)
        lucky = rng.permutation(len(score))[: rng.binomial(count, self.stage.random_share)]
        score = score.clone()
        score[torch.from_numpy(lucky)] += score.max() + 1
        best = score.topk(count).indices
        return best[weights.detach().flatten()[best].argsort(descending=True)]

    def _refine(self, batch: Batch, seen: Seen, i: int, picked: Tensor) -> Tensor:
        """Return the composed logits of image i on the cells of the padded image, (C, h, w)."""
        grid, config = seen.grid, self.net.config
        image, ids = batch.images[i], picked.cpu().numpy().astype(np.int32)
        pixels = DevicePixels(image.permute(1, 2, 0), image.device)
        crops = pixels.crops(grid, ids, config.halo)
        centres = patch_centres(grid, ids).to(image.device)
        one = Segmentation(seen.context.logits[i : i + 1], seen.context.features[i : i + 1])
        refined = self.net.run_refinement(crops, one, centres, grid.scale)
        if self.stage.selection != "oracle":
            # The argmax lets no gradient through. Its value is 1 for a picked patch; the gradient
            # is the weight's (Bengio et al. 2013), so a patch that helps gets a higher weight.
            w = seen.weights[i].flatten()[picked][:, None, None, None]
            refined = replace(refined, gate=refined.gate * (w + (1 - w).detach()))
        return compose(seen.coarse[i], refined, picked, grid, config.halo)


class Joint(PatchObjective):
    """One network at two scales, refinement and driver together.

    The loss is that of the composed logits, of the coarse ones, and, every few steps, of a single
    pass at a random scale: the context's weights then serve every image size, dense mode too.
    """

    def trained(self) -> nn.Module:
        """Return all but the dense network, which takes over the context's weights."""
        net = self.net
        return nn.ModuleDict(
            {"context": net.context, "refinement": net.refinement, "driver": net.driver}
        )

    def forward(self, batch: Batch, seed: int) -> Tensor:
        """Return the task losses and the driver's mask loss."""
        if seed % SINGLE_PASS_EVERY == SINGLE_PASS_EVERY - 1:
            return self._single_pass(batch, seed)
        seen = self._see(batch, seed, frozen=False)
        value = self._worth(batch, seen)
        picks = [
            self._pick(w, v, seed * len(value) + i)
            for i, (w, v) in enumerate(zip(seen.weights, value, strict=True))
        ]
        composed = torch.stack([self._refine(batch, seen, i, p) for i, p in enumerate(picks)])
        height, width = (n // OUTPUT_STRIDE for n in batch.labels.shape[1:])
        coarse, fine = (
            self._task_loss(logits[..., :height, :width], batch, seed)
            for logits in (seen.coarse, composed)
        )
        return fine + COARSE_WEIGHT * coarse + DRIVER_WEIGHT * self._gate_loss(seen.weights, value)

    def _single_pass(self, batch: Batch, seed: int) -> Tensor:
        low, high = np.log(self.stage.single_scales)
        scale = float(np.exp(np.random.default_rng((seed, 1)).uniform(low, high)))
        height, width = batch.labels.shape[1:]
        size = (max(64, round(height * scale)), max(64, round(width * scale)))
        way = "area" if scale < 1 else "bilinear"
        images = functional.interpolate(batch.images.float(), size=size, mode=way).round_()
        return self._task_loss(self.net.context(self.net.normalise(images)).logits, batch, seed)


class Driver(PatchObjective):
    """Everything is frozen but the driver, which learns the oracle's mask."""

    def trained(self) -> nn.Module:
        """Return the driver."""
        return self.net.driver

    def forward(self, batch: Batch, seed: int) -> Tensor:
        """Return the mask loss."""
        seen = self._see(batch, seed)
        if self.stage.oracle == "labels":
            return self._gate_loss(seen.weights, self._worth(batch, seen))
        value = self._gain(batch, seen)
        return self._gate_loss(seen.weights, value, stakes(value, BUDGET_SHARE))

    @torch.no_grad()
    def _gain(self, batch: Batch, seen: Seen) -> Tensor:
        """Return what refining each patch changes, (B, rows, cols)."""
        best_first = seen.weights.flatten(1).argsort(dim=1, descending=True)
        composed = torch.stack(
            [self._refine(batch, seen, i, order) for i, order in enumerate(best_first)]
        )
        mask = label_mask(composed, batch)
        change = gain(batch.labels, seen.mask, mask, self.class_weights, self._valued())
        return per_patch(change, seen.grid)


class Patches(PatchObjective):
    """Refinement and driver together, patches picked by oracle or driver."""

    def trained(self) -> nn.Module:
        """Return refinement and driver."""
        return nn.ModuleDict({"refinement": self.net.refinement, "driver": self.net.driver})

    def forward(self, batch: Batch, seed: int) -> Tensor:
        """Return task loss on the selected patches and mask loss of the driver."""
        seen = self._see(batch, seed)
        value = self._worth(batch, seen)
        height, width = (n // OUTPUT_STRIDE for n in batch.labels.shape[1:])
        logits, inside = [], []
        for i in range(len(batch.labels)):
            picked = self._pick(seen.weights[i], value[i], seed * len(batch.labels) + i)
            logits.append(self._refine(batch, seen, i, picked)[:, :height, :width])
            inside.append(_cells_of(picked, seen.grid)[:height, :width])
        cells, selected = torch.stack(logits), torch.stack(inside)
        labels, pixels = halve(batch.labels, seed), halve(batch.weights, seed)
        here = selected.repeat_interleave(2, 1).repeat_interleave(2, 2)
        labels = labels.where(here, torch.full_like(labels, VOID))
        full = upsample_to(cells, labels.shape)
        loss = task_loss(full, labels, self.class_weights, batch.hidden, pixels)
        if self.stage.distillation:
            with torch.no_grad():
                teacher = self.net.run_dense(batch.images)
            loss = loss + self.stage.distillation * distillation_loss(cells, teacher, selected)
        return loss + self._gate_loss(seen.weights, value)


def per_patch(x: Tensor, grid: PatchGrid) -> Tensor:
    """Mean of (B, H, W) over each patch, (B, rows, cols); beyond the image lie zeros."""
    right, bottom = grid.cols * grid.size - grid.width, grid.rows * grid.size - grid.height
    return functional.avg_pool2d(functional.pad(x[:, None], (0, right, 0, bottom)), grid.size)[:, 0]


def _cells_of(picked: Tensor, grid: PatchGrid) -> Tensor:
    """Mark the stride-4 cells of the picked patches, (rows * p / 4, cols * p / 4) bool."""
    chosen = torch.zeros(grid.count, dtype=torch.bool, device=picked.device)
    chosen[picked] = True
    cells = grid.size // OUTPUT_STRIDE
    chosen = chosen.reshape(grid.rows, grid.cols)
    return chosen.repeat_interleave(cells, 0).repeat_interleave(cells, 1)


def label_mask(logits: Tensor, batch: Batch) -> Tensor:
    """Return the mask of logits on the padded image's cells, (B, H, W), in the labels' terms."""
    height, width = batch.labels.shape[1:]
    inside = logits[..., : height // OUTPUT_STRIDE, : width // OUTPUT_STRIDE]
    mask = upsample_to(inside, (height, width)).argmax(1)
    return torch.stack([_merged(one, pairs) for one, pairs in zip(mask, batch.hidden, strict=True)])


def _merged(mask: Tensor, hidden: Pairs) -> Tensor:
    """Call a class that the data set hides by the one that it is labelled as."""
    for h, g in hidden:
        mask = mask.where(mask != h, g)
    return mask
