"""Which subjects and actions of a data set are wanted."""

from __future__ import annotations

from collections.abc import Collection

from vp3d_cli import sources
from vp3d_cli.errors import DataError


class Choice:
    """Asked by a format before the work of every sequence; remembers what it was asked about."""

    def __init__(
        self, subjects: Collection[str] | None = None, actions: Collection[str] | None = None
    ) -> None:
        self._subjects = None if subjects is None else frozenset(subjects)
        self._actions = None if actions is None else frozenset(actions)
        self._seen_subjects: set[str] = set()
        self._seen_actions: set[str] = set()

    def takes(self, subject: str, action: str) -> bool:
        """Whether it is wanted; an action goes by its whole name or its first word."""
        self._seen_subjects.add(subject)
        if self._subjects is not None and subject not in self._subjects:
            return False
        spoken = {action, first_word(action)}
        self._seen_actions |= spoken
        return self._actions is None or not spoken.isdisjoint(self._actions)

    def require_found(self) -> None:
        """Refuse to go on without something that was asked for.

        Raises:
            DataError: a subject or an action that no file has.
        """
        for what, wanted, seen in (
            ("subjects", self._subjects, self._seen_subjects),
            ("actions", self._actions, self._seen_actions),
        ):
            if missing := sorted((wanted or frozenset()) - seen):
                there = sources.listed(sorted(seen))
                raise DataError(f"{what}: expected one of {there}, got {missing[0]!a}")


def first_word(action: str) -> str:
    """What errors are averaged over: "Walking" of "Walking 1"."""
    return action.split()[0] if action.split() else action
