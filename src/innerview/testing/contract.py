"""What every target must keep; inherit it and say how to make yours.

    class TestMyTarget(TargetContract):
        def make_target(self) -> Target:
            return MyTarget(...)

        def make_cases(self, target: Target) -> list[Case]:
            return [Case("a", ("i1", "i2")), ...]      # at least 3, with at least 2 parts each

Runs under pytest, and needs nothing of it. The rules are those of ``innerview target check``.
"""

from __future__ import annotations

from innerview.errors import TargetQueryError
from innerview.targets.contract import RULES
from innerview.targets.protocol import Case, Target

__all__ = ["TargetContract"]


class TargetContract:
    """Inherit, define ``make_target`` and ``make_cases``, and let pytest collect the class."""

    def make_target(self) -> Target:
        """A fresh target."""
        raise NotImplementedError

    def make_cases(self, target: Target) -> list[Case]:
        """At least 3 cases of at least 2 parts each, none longer than ``max_parts``."""
        raise NotImplementedError

    def make_target_that_answers_nan(self) -> Target | None:
        """The same around a model that answers NaN, where one can be made."""
        return None

    def keeps(self, rule: str) -> None:
        """Assert a rule, by its name in ``innerview.targets.contract.RULES``."""
        target = self.make_target()
        broken = RULES[rule](target, self.make_cases(target))
        assert broken is None, broken

    def test_is_a_target(self) -> None:
        """It has every member of the protocol, and a name; its fingerprint is the same again."""
        self.keeps("is_a_target")
        assert self.make_target().fingerprint == self.make_target().fingerprint

    def test_ids_are_strings_with_titles(self) -> None:
        """Unique ones; parts that are never an answer are outcomes."""
        self.keeps("ids_are_strings_with_titles")

    def test_scores_have_one_row_per_case_and_one_column_per_outcome(self) -> None:
        """(N, O) float32, finite."""
        self.keeps("scores_have_a_row_per_case_and_a_column_per_outcome")

    def test_no_case_gives_an_empty_answer(self) -> None:
        """(0, O), not an error, and no query."""
        self.keeps("no_case_gives_an_empty_answer")

    def test_same_case_scores_the_same(self) -> None:
        """Twice in a row, whatever became of the first answer; unless declared otherwise."""
        self.keeps("same_case_scores_the_same")

    def test_batching_changes_nothing(self) -> None:
        """Alone, in a batch of 32, and in another order of the batch."""
        self.keeps("batching_changes_nothing")

    def test_order_of_parts_matters_only_where_declared(self) -> None:
        """Reversed parts change no score of an order-free target."""
        self.keeps("order_of_parts_matters_only_where_declared")

    def test_the_case_id_changes_nothing(self) -> None:
        """Only the parts are looked at."""
        self.keeps("the_case_id_changes_nothing")

    def test_parts_beyond_max_parts_are_not_seen(self) -> None:
        """The oldest parts of a longer case change nothing."""
        self.keeps("parts_beyond_max_parts_are_not_seen")

    def test_every_case_scored_is_one_query(self) -> None:
        """However it was batched; vectors cost none."""
        assert self.make_target().queries.used == 0
        self.keeps("every_case_scored_is_one_query")

    def test_case_without_parts_is_refused(self) -> None:
        """Removing all parts leaves nothing to score."""
        self.keeps("a_case_without_parts_is_refused")

    def test_unknown_part_is_refused(self) -> None:
        """With its id in the message."""
        self.keeps("an_unknown_part_is_refused")

    def test_vectors_are_there_only_where_declared(self) -> None:
        """(P, d), (O, d) and (N, d), float32, finite; or each is refused in one line."""
        self.keeps("vectors_are_there_only_where_declared")

    def test_a_changed_case_is_scored_only_where_declared(self) -> None:
        """A case without a part gets scores; or is refused in one line."""
        self.keeps("a_changed_case_is_scored_only_where_declared")

    def test_own_parts_are_never_an_answer_where_excluded(self) -> None:
        """And every answer has the rank of its place."""
        self.keeps("own_parts_are_never_an_answer_where_excluded")

    def test_nan_is_never_an_answer(self) -> None:
        """It is refused in one line that names the target."""
        target = self.make_target_that_answers_nan()
        if target is None:
            return
        try:
            target.score(self.make_cases(target))
        except TargetQueryError as error:
            assert "\n" not in str(error) and target.name in str(error), str(error)
            return
        raise AssertionError("NaN passes for an answer; raise TargetQueryError")
