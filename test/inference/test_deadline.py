from pdn_ros.inference.deadline import Deadline, bucket


def test_buckets_are_prepared_shares_of_all_patches() -> None:
    assert [bucket(k, 32) for k in (0, 1, 2, 7, 8, 9, 32)] == [0, 0, 2, 6, 8, 8, 32]


def test_budget_is_kept_while_it_fits_and_cut_when_it_does_not() -> None:
    deadline = Deadline(100.0)
    assert deadline.budget(8, 32) == (8, "asked for")  # nothing known yet
    deadline.observe(total_ms=60, refine_ms=16, patches=8)  # 44 ms fixed, 2 ms a patch
    assert deadline.budget(8, 32)[0] == 8  # 85 - 44 = 41 ms: 20 patches
    deadline.observe(total_ms=110, refine_ms=40, patches=8)  # 70 ms fixed, 5 ms a patch
    assert deadline.budget(8, 32) == (2, "deadline of 100 ms")  # 15 ms: 3 patches, bucket 2
    deadline.observe(total_ms=120, refine_ms=0, patches=0)
    assert deadline.budget(8, 32)[0] == 0  # the context alone is late already


def test_it_recovers_when_the_load_falls() -> None:
    deadline = Deadline(100.0)
    deadline.observe(total_ms=200, refine_ms=80, patches=8)
    assert deadline.budget(8, 32)[0] == 0
    for _ in range(30):
        deadline.observe(total_ms=40, refine_ms=0, patches=0)
    # The cost of a patch is the last known one, 10 ms: 85 - 40 = 45 ms, 4 patches.
    assert deadline.budget(8, 32)[0] == 4
