"""The compiled part."""

from collections.abc import Callable
from typing import Any

__version__: str
POLICIES: list[str]

def call(arguments: list[str], hear: Callable[[str], None]) -> tuple[int, str | None, str, list[Any]]:
    """Run a command: exit code, error, output, folders of results."""

def main(arguments: list[str]) -> int:
    """The program: prints, and listens for Ctrl-C from then on."""

class Policy:
    """A policy; questions are dicts."""

    def __init__(
        self, name: str, *, experiment: str | None = None, set: list[tuple[str, str]] = ..., seed: int = 1
    ) -> None: ...
    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> str: ...
    def choose(self, question: dict[str, Any]) -> int | None: ...
    def choose_prefill(self, question: dict[str, Any]) -> int: ...
    def choose_pair(self, question: dict[str, Any]) -> tuple[int, int]: ...
    def rate(self, question: dict[str, Any]) -> list[dict[str, Any]]: ...
    def observe(self, event: dict[str, Any]) -> None: ...
