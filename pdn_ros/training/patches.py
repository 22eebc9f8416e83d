"""Objectives of the patch stages: the driver alone, and all parts with selected patches."""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from pdn_ros.classes import VOID, ClassSet, Role
from pdn_ros.network.composition import compose, on_cells
from pdn_ros.network.config import CONTEXT_SCALES, PatchGrid
from pdn_ros.network.predict import patch_centres
from pdn_ros.network.segmentation import OUTPUT_STRIDE, Segmentation, upsample_to
from pdn_ros.network.selector import BUDGET_SHARE
from pdn_ros.training.data import Batch
from pdn_ros.training.losses import distillation_loss, mask_loss, selection_loss, task_loss
from pdn_ros.training.objectives import Objective, halve
from pdn_ros.training.oracle import oracle_mask, worth

NOISE = 0.05
"""Scale of the noise that perturbs the scores (Cordonnier et al., CVPR 2021)."""


class PatchObjective(Objective):
    """What both stages share: the frozen context, the driver's weights, the oracle."""

    def _see(self, batch: Batch, seed: int) -> tuple[PatchGrid, Segmentation, Tensor, Tensor]:
        """Run context and driver at a random context scale.

        Returns:
            Grid, context output, weights (B, rows, cols), value of each patch (B, rows, cols).
        """
        height, width = batch.labels.shape[1:]
        size = self.net.config.patch_size
        scale = float(np.random.default_rng(seed).choice(CONTEXT_SCALES))
        grid = PatchGrid(height, width, size, scale)
        small = functional.interpolate(batch.images.float(), size=grid.context_size, mode="area")
        with torch.no_grad():
            context = self.net.context(self.net.normalise(small.round()))
            coarse = torch.stack(
                [
                    on_cells(one[None], scale, (height // OUTPUT_STRIDE, width // OUTPUT_STRIDE))
                    for one in context.logits
                ]
            )
            mask = upsample_to(coarse, batch.labels.shape).argmax(1)
            value = worth(batch.labels, mask, self._valued())
        weights = self.net.driver(context, grid.rows, grid.cols, grid.cell)
        return grid, context, weights, functional.avg_pool2d(value[:, None], size)[:, 0]

    def _valued(self) -> tuple[int, ...]:
        classes = ClassSet.model_validate_json(self.net.classes)
        return tuple({*classes.thin, *classes.with_role(Role.DYNAMIC)})

    def _gate_loss(self, weights: Tensor, value: Tensor) -> Tensor:
        loss = mask_loss(weights, oracle_mask(value, BUDGET_SHARE))
        if self.stage.sparsity:
            loss = loss + self.stage.sparsity * selection_loss(weights)
        return loss


class Driver(PatchObjective):
    """Stage (i): everything is frozen but the driver, which learns the oracle's mask."""

    def trained(self) -> nn.Module:
        """Return the driver."""
        return self.net.driver

    def forward(self, batch: Batch, seed: int) -> Tensor:
        """Return the mask loss."""
        _, _, weights, value = self._see(batch, seed)
        return self._gate_loss(weights, value)


class Patches(PatchObjective):
    """Stages (ii) and (iii): refinement and driver, patches picked by oracle or driver."""

    def trained(self) -> nn.Module:
        """Return refinement and driver."""
        return nn.ModuleDict({"refinement": self.net.refinement, "driver": self.net.driver})

    def forward(self, batch: Batch, seed: int) -> Tensor:
        """Return task loss on the selected patches and mask loss of the driver."""
        grid, context, weights, value = self._see(batch, seed)
        labels = halve(batch.labels, seed)
        logits, inside = [], []
        for i in range(len(labels)):
            picked = self._pick(weights[i], value[i], seed * len(labels) + i)
            one = Segmentation(context.logits[i : i + 1], context.features[i : i + 1])
            composed = self._refine(batch.images[i], one, grid, weights[i].flatten(), picked)
            logits.append(composed)
            chosen = torch.zeros(grid.count, device=labels.device)
            chosen[picked] = 1
            inside.append(chosen.reshape(1, 1, grid.rows, grid.cols))
        selected = functional.interpolate(torch.cat(inside), size=labels.shape[1:])[:, 0] > 0
        labels = labels.where(selected, torch.full_like(labels, VOID))
        full = upsample_to(torch.stack(logits), labels.shape)
        loss = task_loss(full, labels, self.class_weights, batch.hidden)
        if self.stage.distillation:
            with torch.no_grad():
                teacher = self.net.run_dense(batch.images)
            cells = torch.stack(logits)
            seen = functional.interpolate(torch.cat(inside), size=cells.shape[2:])[:, 0] > 0
            loss = loss + self.stage.distillation * distillation_loss(cells, teacher, seen)
        return loss + self._gate_loss(weights, value)

    def _pick(self, weights: Tensor, value: Tensor, seed: int) -> Tensor:
        """Pick K patches, best first: some at random, the others by oracle or driver."""
        rng = np.random.default_rng(seed)
        count = max(2, round(BUDGET_SHARE * value.numel()))
        score = (value if self.stage.selection == "oracle" else weights.detach()).flatten()
        if self.stage.selection == "perturbed":
            score = score + NOISE * torch.from_numpy(rng.normal(size=len(score))).to(score)
        lucky = rng.permutation(len(score))[: rng.binomial(count, self.stage.random_share)]
        score = score.clone()
        score[torch.from_numpy(lucky)] += score.max() + 1
        best = score.topk(count).indices
        return best[weights.detach().flatten()[best].argsort(descending=True)]

    def _refine(
        self, image: Tensor, context: Segmentation, grid: PatchGrid, weights: Tensor, picked: Tensor
    ) -> Tensor:
        """Return the composed logits of one image, (C, H/4, W/4)."""
        config = self.net.config
        halo, side = config.halo, config.patch_size + 2 * config.halo
        padded = functional.pad(image[None].float(), (halo,) * 4, mode="replicate")[0]
        ids = picked.cpu().numpy().astype(np.int32)
        crops = torch.stack(
            [
                padded[:, y : y + side, x : x + side]
                for y, x in ((i // grid.cols * grid.size, i % grid.cols * grid.size) for i in ids)
            ]
        )
        centres = patch_centres(grid, ids).to(image.device)
        refined = self.net.run_refinement(crops, context, centres, grid.scale)
        if self.stage.selection != "oracle":
            # The argmax lets no gradient through. Its value is 1 for a picked patch; the gradient
            # is the weight's (Bengio et al. 2013), so a patch that helps gets a higher weight.
            w = weights[picked][:, None, None, None]
            refined = type(refined)(refined.logits, refined.gate * (w + (1 - w).detach()))
        cells = grid.size // OUTPUT_STRIDE
        coarse = on_cells(context.logits, grid.scale, (grid.rows * cells, grid.cols * cells))
        return compose(coarse, refined, picked, grid, halo)
