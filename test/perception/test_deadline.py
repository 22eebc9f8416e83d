import numpy as np

from pdn_ros.perception.deadline import Deadline, bucket


def test_buckets_are_prepared_shares_of_all_patches() -> None:
    assert [bucket(k, 32) for k in (0, 1, 2, 7, 8, 9, 32)] == [0, 1, 2, 6, 8, 8, 32]


def test_budget_is_kept_while_it_fits_and_cut_when_it_does_not() -> None:
    deadline = Deadline(100.0)
    assert deadline.budget(8, 32) == (8, "asked for")  # nothing known yet
    deadline.observe(total_ms=60, refine_ms=16, patches=8, count=32)  # 44 ms fixed, 2 ms a patch
    assert deadline.budget(8, 32)[0] == 8  # 85 - 44 = 41 ms: 20 patches
    deadline.observe(total_ms=110, refine_ms=40, patches=8, count=32)  # 70 ms fixed, 5 ms a patch
    assert deadline.budget(8, 32) == (2, "deadline of 100 ms")  # 15 ms: 3 patches, bucket 2
    deadline.observe(total_ms=120, refine_ms=0, patches=0, count=32)
    assert deadline.budget(8, 32)[0] == 0  # the context alone is late already


def test_it_recovers_when_the_load_falls() -> None:
    deadline = Deadline(100.0)
    deadline.observe(total_ms=200, refine_ms=80, patches=8, count=32)
    assert deadline.budget(8, 32)[0] == 0
    for _ in range(30):
        deadline.observe(total_ms=40, refine_ms=0, patches=0, count=32)
    # The cost of a patch, 10 ms, is forgotten to 2.1 ms (0.95 ** 30): 45 ms hold 8 patches.
    assert deadline.budget(8, 32) == (8, "asked for")


def test_one_spike_does_not_shut_the_patches_out_for_good() -> None:
    deadline = Deadline(100.0)
    deadline.observe(total_ms=840, refine_ms=800, patches=8, count=32)
    waited = 0
    while deadline.budget(8, 32)[0] == 0:
        deadline.observe(total_ms=40, refine_ms=0, patches=0, count=32)
        waited += 1
    assert waited == 16  # 45 ms must hold a patch of 100 * 0.95 ** n ms


def test_p95_stays_under_the_deadline_while_the_load_changes() -> None:
    noise = np.random.default_rng(0)
    deadline, count, wanted = Deadline(100.0), 135, 34
    totals, budgets = [], []
    for frame in range(900):
        load = 2.0 if 300 <= frame < 600 else 1.0  # another process takes half of the cores
        jitter = 1 + 0.04 * abs(noise.standard_normal())
        budget, _ = deadline.budget(wanted, count)
        fixed, refine = 25 * load * jitter, 1.6 * load * jitter * budget
        deadline.observe(fixed + refine, refine, budget, count)
        totals.append(fixed + refine)
        budgets.append(budget)
    totals_array = np.array(totals)
    for part in (slice(0, 300), slice(300, 600), slice(600, 900)):
        assert np.percentile(totals_array[part], 95) < 100
    assert budgets[299] == budgets[899] == wanted  # 25 + 54 ms fit
    # 85 - 50 = 35 ms hold ten patches of 3.2 ms, less what the worst of late frames took.
    assert np.median(budgets[400:600]) == bucket(10, count) == 8
    assert min(budgets) > 0


def test_sets_of_one_and_of_three_cameras_share_what_was_learned() -> None:
    deadline = Deadline(100.0)
    deadline.observe(total_ms=76, refine_ms=16, patches=8, count=96)  # 60 ms fixed for three
    assert deadline.budget(8, 96) == (8, "asked for")  # 85 - 60 ms: 12 patches
    assert deadline.budget(32, 32) == (32, "asked for")  # 85 - 20 ms for one of them
    deadline.observe(total_ms=36, refine_ms=16, patches=8, count=32)
    assert deadline.budget(24, 96) == (12, "deadline of 100 ms")
