"""Private parts of vLLM: one that is missing is named, a version that nobody has tested is warned of."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from engine.sampler.t5.private import TESTED, UntestedVersion, private, warn_if_untested


class Runner:
    """Stands for a class of vLLM's."""

    def _known(self) -> None:
        """Private, and there."""


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    vllm = SimpleNamespace(__version__="0.99.1+cpu")
    monkeypatch.setitem(sys.modules, "vllm", vllm)
    warn_if_untested.cache_clear()
    return vllm


def test_what_is_there_is_given_whatever_the_version(installed: SimpleNamespace) -> None:
    assert private(Runner, "_known") is Runner._known


def test_what_is_missing_is_named_with_the_versions_that_were_tested(installed: SimpleNamespace) -> None:
    with pytest.raises(UntestedVersion, match=rf"vLLM 0\.99\.1 has no Runner\._gone.*tested \({TESTED[0]}"):
        private(Runner, "_gone")


def test_another_version_is_warned_of_once(installed: SimpleNamespace, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(2):
        warn_if_untested()
    assert [record.getMessage() for record in caplog.records] == [
        f"vLLM 0.99.1 was not tested with this program: {', '.join(TESTED)} was"
    ]


def test_a_version_that_was_tested_is_not(installed: SimpleNamespace, caplog: pytest.LogCaptureFixture) -> None:
    installed.__version__ = f"{TESTED[0]}+cpu"
    warn_if_untested()
    assert caplog.records == []
