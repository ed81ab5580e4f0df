"""Progress and the timing of stages."""

from __future__ import annotations

import io

from nchw2nhwc.progress import Lines, Silent, Stages


def test_stages_add_up_and_are_reported() -> None:
    stream = io.StringIO()
    stages = Stages(Lines(stream, verbose=True))
    for name in ("read", "check", "check"):
        with stages.stage(name):
            stages.progress.step(f"in {name}")
    assert list(stages.seconds) == ["read", "check"]
    assert stages.total == sum(stages.seconds.values())
    lines = stream.getvalue().splitlines()
    assert [line.split(":")[0] for line in lines] == ["  in read", "read", "  in check", "check", "  in check", "check"]


def test_steps_are_for_verbose_only() -> None:
    stream = io.StringIO()
    stages = Stages(Lines(stream))
    with stages.stage("read"):
        stages.progress.step("detail")
    assert stream.getvalue().startswith("read: ")
    assert isinstance(Stages().progress, Silent)
