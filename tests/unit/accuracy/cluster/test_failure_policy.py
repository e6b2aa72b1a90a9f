"""The failure policy of a cluster: what is decided in each case, and that everything ends."""

from __future__ import annotations

from itertools import product

import pytest

from mixnet_tools.accuracy.cluster.failure_policy import (
    FIRST_LATENESS,
    LEAST_LATENESS,
    POLICY,
    Action,
    Failure,
    decide,
    lateness,
)

NO_END = (Action.MEASURE_AGAIN, Action.REFUSE_WORKER)
"""After these the task is measured again, as it is."""


def test_every_failure_has_an_answer_in_every_case() -> None:
    assert set(POLICY) == set(Failure)
    either = (False, True)
    for failure, number, others, several, alone in product(Failure, (1, 2, 3, 100), either, either, either):
        assert isinstance(decide(failure, number, others=others, several=several, alone=alone), Action)


@pytest.mark.parametrize("failure", Failure)
def test_the_last_rule_of_a_failure_always_holds(failure: Failure) -> None:
    last = POLICY[failure][-1]
    assert (last.at_most, last.others, last.several, last.alone) == (float("inf"), False, False, False)


def test_no_rule_is_behind_one_that_always_holds() -> None:
    for rules in POLICY.values():
        always = [not (rule.others or rule.several or rule.alone or rule.at_most < float("inf")) for rule in rules]
        assert always.index(True) == len(rules) - 1


@pytest.mark.parametrize("failure", [one for one in Failure if one not in (Failure.LATE, Failure.OUTDONE)])
def test_a_task_is_not_measured_again_without_end(failure: Failure) -> None:
    """As often as there are workers that have not tried it, or a few times."""
    for several, alone in product((False, True), repeat=2):
        actions = [decide(failure, number, several=several, alone=alone) for number in range(1, 10)]
        assert actions[-1] not in NO_END
    # Parts of one image each are isolated in the end: then the image is named, or the run ends.
    assert decide(failure, 9, alone=True) in (Action.ACCEPT, Action.NAME_IMAGE, Action.END_RUN)


@pytest.mark.parametrize(
    ("failure", "number", "conditions", "action"),
    [
        # Images that one worker cannot read: a second one is asked, where there is one.
        (Failure.UNREADABLE, 1, {"others": True}, Action.MEASURE_AGAIN),
        (Failure.UNREADABLE, 1, {}, Action.ACCEPT),
        (Failure.UNREADABLE, 2, {"others": True}, Action.ACCEPT),
        # A broken model is no worker's fault once two of them say so.
        (Failure.MODEL_ERROR, 1, {"others": True}, Action.MEASURE_AGAIN),
        (Failure.MODEL_ERROR, 2, {"others": True}, Action.END_RUN),
        (Failure.MODEL_ERROR, 1, {}, Action.END_RUN),
        # Three tries, then image by image.
        (Failure.UNKNOWN_ERROR, 2, {}, Action.MEASURE_AGAIN),
        (Failure.UNKNOWN_ERROR, 3, {"several": True, "others": True}, Action.ISOLATE),
        (Failure.UNKNOWN_ERROR, 3, {"alone": True}, Action.END_RUN),
        # Other workers may be able to load the model, and more may come.
        (Failure.CANNOT_LOAD, 20, {"others": True}, Action.REFUSE_WORKER),
        (Failure.CANNOT_LOAD, 3, {}, Action.REFUSE_WORKER),
        (Failure.CANNOT_LOAD, 4, {}, Action.END_RUN),
        # Workers go for many reasons; those that die with a task may do so because of it.
        (Failure.LOST, 5, {}, Action.MEASURE_AGAIN),
        (Failure.LOST, 6, {"several": True}, Action.ISOLATE),
        (Failure.DEADLY, 1, {"several": True}, Action.ISOLATE),
        (Failure.DEADLY, 1, {"several": True, "alone": True}, Action.ISOLATE),
        (Failure.DEADLY, 1, {}, Action.ISOLATE),
        (Failure.DEADLY, 1, {"alone": True}, Action.NAME_IMAGE),
        (Failure.LATE, 7, {"others": True}, Action.COPY),
        (Failure.LATE, 7, {}, Action.WAIT),
        # One failure turns out no worker.
        (Failure.OUTDONE, 2, {}, Action.WAIT),
        (Failure.OUTDONE, 3, {}, Action.REFUSE_WORKER),
    ],
)
def test_decisions(failure: Failure, number: int, conditions: dict[str, bool], action: Action) -> None:
    assert decide(failure, number, **conditions) is action


def test_a_task_is_late_when_it_takes_several_times_as_long_as_others() -> None:
    assert lateness([]) == lateness([9.0, 9.0]) == FIRST_LATENESS
    assert lateness([0.1, 0.1, 0.1]) == LEAST_LATENESS
    assert lateness([1.0, 2.0, 50.0]) == 8.0
