"""Training windows meet rare classes."""

import numpy as np

from pdn_ros.datasets import Sample
from pdn_ros.training.data import augment


def test_a_rare_class_is_met_in_more_than_a_third_of_the_windows() -> None:
    label = np.zeros((256, 256), np.uint8)
    label[200:208, 40:48] = 6  # anywhere alone: a window of 64x64 meets it in under a tenth
    image = np.zeros((256, 256, 3), np.uint8)
    rng = np.random.default_rng(0)
    met = [
        bool((augment(rng, Sample("a", image, label), (64, 64), (1.0, 1.0))[1] == 6).any())
        for _ in range(300)
    ]
    anywhere = ((64 + 8) / (256 - 64 + 1)) ** 2
    # Half of them are drawn by class, half of those by the rare one.
    assert abs(np.mean(met) - (0.75 * anywhere + 0.25)) < 0.1


def test_a_window_of_an_image_without_labels_is_void() -> None:
    void = np.full((64, 64), 255, np.uint8)
    image = np.zeros((64, 64, 3), np.uint8)
    rng = np.random.default_rng(0)
    assert (augment(rng, Sample("a", image, void), (32, 32), (0.5, 1.5))[1] == 255).all()
