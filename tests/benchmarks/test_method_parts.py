from benchmarks.baselines import BASELINES
from benchmarks.method_parts import BY_NAME, PARTS, STAGES_OF_KIND, budget, charged_stages
from benchmarks.stage_two import VARIANTS


def test_a_part_comes_after_its_base() -> None:
    seen: set[str] = set()
    for part in PARTS:
        assert part.base is None or part.base in seen
        seen.add(part.name)
    assert len(seen) == len(PARTS)


def test_every_part_has_something_to_run() -> None:
    for part in PARTS:
        if part.kind == "baseline":
            assert part.name in BASELINES
        elif part.kind == "stage_two":
            assert part.name in VARIANTS
        else:
            assert part.kind in STAGES_OF_KIND


def test_a_base_leaves_the_rest_of_the_time() -> None:
    assert budget(BY_NAME["contrastive"], 120, 0) == 120
    assert budget(BY_NAME["gcc_base"], 120, 0) == 60
    assert budget(BY_NAME["ruc_gcc"], 120, 91.5) == 28.5
    assert budget(BY_NAME["ruc_gcc"], 120, 130) == 0
    assert budget(BY_NAME["kmeans"], 120, 0) == 0


def test_a_second_stage_is_not_charged_another_second_stage() -> None:
    icicle = BY_NAME["icicle"]
    assert charged_stages(icicle, BY_NAME["sdcn"]) == ("pretrain", "embed", "graph")
    stages = ("pretrain", "embed", "graph", "cluster")
    assert charged_stages(icicle, BY_NAME["ruc_icicle"]) == stages
    assert charged_stages(BY_NAME["gcc_base"], BY_NAME["ruc_gcc"]) == ("train", "assign")
