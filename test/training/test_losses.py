import math

import pytest
import torch
from torch.nn import functional

from pdn_ros.training.losses import distillation_loss, mask_loss, selection_loss, task_loss
from pdn_ros.training.objectives import halve
from pdn_ros.training.oracle import gain, oracle_mask, stakes, worth

ONES = torch.ones(3)


def test_task_loss_is_cross_entropy_without_hidden_classes_and_void() -> None:
    logits = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(40).reshape(2, 4, 5) % 3
    labels[0, 0] = 255
    weights = torch.tensor([1.0, 2.0, 0.5])
    expected = functional.cross_entropy(logits, labels, weights, ignore_index=255)
    torch.testing.assert_close(task_loss(logits, labels, weights, [(), ()]), expected)


def test_hidden_class_counts_with_the_one_it_is_labelled_as() -> None:
    # p = (1/2, 1/4, 1/4); class 2 is hidden as class 0: -log(1/2 + 1/4) on label 0.
    logits = torch.log(torch.tensor([0.5, 0.25, 0.25]))[None, :, None, None]
    label = torch.zeros(1, 1, 1, dtype=torch.int64)
    assert task_loss(logits, label, ONES, [((2, 0),)]).item() == pytest.approx(-math.log(0.75))
    assert task_loss(logits, label + 1, ONES, [((2, 0),)]).item() == pytest.approx(math.log(4))


def test_hidden_pairs_hold_for_their_image_alone() -> None:
    logits = torch.zeros(2, 3, 1, 1)
    labels = torch.zeros(2, 1, 1, dtype=torch.int64)
    expected = (math.log(3) + math.log(3 / 2)) / 2
    assert task_loss(logits, labels, ONES, [(), ((2, 0),)]).item() == pytest.approx(expected)


def test_an_image_of_void_alone_costs_nothing() -> None:
    labels = torch.full((1, 2, 2), 255)
    assert task_loss(torch.randn(1, 3, 2, 2), labels, ONES, [()]).item() == 0


def test_selection_loss_sums_over_patches_and_averages_over_images() -> None:
    assert selection_loss(torch.tensor([[[0.5, 0.25]], [[1.0, 0.25]]])).item() == 1.0


def test_pixel_weights_count_like_repeated_pixels() -> None:
    logits = torch.randn(1, 3, 1, 2, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([[[0, 1]]])
    weights = torch.tensor([[[1.0, 3.0]]])
    repeated = torch.cat([logits, logits[..., 1:], logits[..., 1:]], 3)
    expected = functional.cross_entropy(repeated, torch.tensor([[[0, 1, 1, 1]]]))
    torch.testing.assert_close(task_loss(logits, labels, ONES, [()], weights), expected)


@pytest.mark.parametrize("every", [1, 3])
def test_labels_are_halved_at_every_phase_whatever_the_rhythm(every: int) -> None:
    # Always the same phase would shift what is learned in those steps by half a pixel.
    x = torch.arange(16).reshape(1, 4, 4)
    phases = [int(halve(x, seed)[0, 0, 0]) for seed in range(every - 1, 400 * every, every)]
    for phase in (0, 1, 4, 5):
        assert 60 < phases.count(phase) < 140


def test_mask_loss_by_hand() -> None:
    found = mask_loss(torch.tensor([[[0.8, 0.4]]]), torch.tensor([[[1.0, 0.0]]]))
    assert found.item() == pytest.approx(-(math.log(0.8) + math.log(0.6)) / 2)


def test_worth_counts_errors_boundaries_and_thin_classes() -> None:
    labels = torch.zeros(1, 5, 5, dtype=torch.int64)
    labels[0, 2, 2] = 2  # a thin pixel: its neighbours are a boundary
    labels[0, 4, 4] = 255
    coarse = torch.zeros_like(labels)
    value = worth(labels, coarse, valued=(2,))[0]
    assert value[2, 2] == 1.0 * 2 + 0.5  # missed, counted double, and thin
    assert value[1, 1] == 0.25
    assert value[0, 0] == 0
    assert value[4, 4] == 0


def test_oracle_marks_the_best_share_and_nothing_worthless() -> None:
    value = torch.tensor([[[0.0, 3.0], [1.0, 2.0]], [[0.0, 0.0], [0.0, 5.0]]])
    assert oracle_mask(value, 0.5).tolist() == [
        [[0, 1], [0, 1]],
        [[0, 0], [0, 1]],
    ]


def test_gain_is_what_refinement_mends_less_what_it_breaks() -> None:
    labels = torch.tensor([[[0, 1, 2, 255]]])
    coarse, refined = torch.tensor([[[0, 0, 0, 0]]]), torch.tensor([[[1, 1, 2, 255]]])
    found = gain(labels, coarse, refined, torch.tensor([0.5, 1.0, 1.5]), valued=(2,))
    assert found.tolist() == [[[-0.5, 1.0, 3.0, 0.0]]]


def test_stakes_grow_with_the_distance_from_the_last_patch_marked() -> None:
    # Two of four are marked, the last of them worth 2: distances 3, 0, 1, 4 with a mean of 2.
    found = stakes(torch.tensor([[[5.0, 2.0], [1.0, -2.0]]]), 0.5)
    torch.testing.assert_close(found, 0.1 + 0.45 * torch.tensor([[[3.0, 0.0], [1.0, 4.0]]]))


def test_distillation_is_the_divergence_where_it_counts() -> None:
    teacher = torch.log(torch.tensor([0.5, 0.5]))[None, :, None, None].expand(1, 2, 1, 2)
    student = torch.log(torch.tensor([0.75, 0.25]))[None, :, None, None].expand(1, 2, 1, 2)
    expected = 0.5 * math.log(0.5 / 0.75) + 0.5 * math.log(0.5 / 0.25)
    where = torch.tensor([[[True, False]]])
    assert distillation_loss(student, teacher, where).item() == pytest.approx(expected)
    assert distillation_loss(teacher, teacher, where).item() == pytest.approx(0, abs=1e-7)
    assert distillation_loss(student, teacher, ~where & where).item() == 0
