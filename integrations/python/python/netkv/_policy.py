"""One decision of a policy."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

from . import _netkv
from ._command import PathLike, Value, _settings

_Dict = Mapping[str, Any]


def _plain(value: Any) -> Any:
    """Mappings as dicts, other iterables as lists: what the compiled part reads."""
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)) or (isinstance(value, Iterable) and not isinstance(value, (str, bytes))):
        return [_plain(one) for one in value]
    return value


def _question(**told: Any) -> dict[str, Any]:
    return {key: _plain(value) for key, value in told.items() if value is not None}


class Policy:
    """A policy of netkv, ready to decide, as a simulation or a router has it.

    name
        One of ``netkv.POLICIES``, but for ``"clairvoyant"``.
    experiment
        An experiment file whose first cell says the policy's parameters and the latencies that it predicts by; without one
        they are those of netkv's base experiment.
    set
        Keys of experiment files: ``{"policy.netkv.ledger": "none", "profile": ...}``. ``netkv.command("keys", "policy")`` lists
        them.
    seed
        Of the draws among equals.

    A question is told by keywords, of which ``candidates`` and ``input_tokens`` are needed:

    candidates
        A dict for each decode instance: ``instance``, ``max_batch``, ``capacity_tokens``, ``free_tokens``, and, zero if not
        told, ``running``, ``pending`` (requests), ``running_tokens``, ``pending_tokens``, ``queued_tokens``, ``hit_tokens``,
        ``in_flight_prompt_tokens``, ``source_tier_transfers``, ``sharing_transfers``; ``transfer_bytes`` is the whole KV cache
        if not told; ``report`` and ``dispatched`` for policies that poll.
    source
        The prefill instance that holds the KV cache; or ``prefill``, a dict for each prefill instance (``instance``,
        ``requests``, ``backlog_tokens``, ``backlog_pairs``, ``hit_tokens``), where that is to be chosen.
    paths
        What the way from a source to a destination costs, by ``(source, destination)``, or by destination alone:
        ``{"tier": "rack", "gbytes_per_s": 50, "latency_us": 4, "congestion_ratio": 0.1, "counts_in_flight": False, "age_s": 1}``.
        Or by ``places`` (``{instance: {"pod": 0, "rack": 0, "node": 3}}``) and ``tiers`` (``{"rack": {"gbytes_per_s": 50}}``).
    leaving, alone
        For ``netkv_flow``: GB/s by tier of all links out of a group together, and of one transfer alone.
    kv_bytes, now_s, ttft_left_s
        Size of the KV cache (by the model if not told), the router's clock, what is left of the promised time.

    ``ValueError`` says what is wrong with a question, unknown keys included.
    """

    def __init__(
        self,
        name: str,
        *,
        experiment: PathLike | None = None,
        set: Mapping[str, Value] | None = None,
        seed: int = 1,
    ) -> None:
        path = None if experiment is None else os.fspath(experiment)
        self._policy = _netkv.Policy(name, experiment=path, set=_settings(set), seed=seed)

    @property
    def name(self) -> str:
        """Its name."""
        return self._policy.name

    @property
    def kind(self) -> str:
        """What it chooses: ``"decode"``, both ends at once (``"pair"``), or one after the other (``"staged"``)."""
        return self._policy.kind

    def choose(self, *, candidates: Iterable[_Dict], input_tokens: int, source: int, **told: Any) -> int | None:
        """The decode instance that takes the request; ``None`` if it is refused."""
        return self._policy.choose(_question(candidates=candidates, input_tokens=input_tokens, source=source, **told))

    def choose_prefill(
        self, *, candidates: Iterable[_Dict], prefill: Iterable[_Dict], input_tokens: int, **told: Any
    ) -> int:
        """The prefill instance, by a policy that is ``"staged"``."""
        return self._policy.choose_prefill(
            _question(candidates=candidates, prefill=prefill, input_tokens=input_tokens, **told)
        )

    def choose_pair(
        self, *, candidates: Iterable[_Dict], prefill: Iterable[_Dict], input_tokens: int, **told: Any
    ) -> tuple[int, int]:
        """Prefill and decode instance, by a policy that is a ``"pair"``."""
        return self._policy.choose_pair(
            _question(candidates=candidates, prefill=prefill, input_tokens=input_tokens, **told)
        )

    def rate(
        self, *, candidates: Iterable[_Dict], input_tokens: int, source: int, **told: Any
    ) -> list[dict[str, Any]]:
        """Each candidate's ``rank``, ``standing``, ``terms`` and their sum ``cost``, in order of instance: of those of the least
        rank the least cost wins. Empty if the rule is no sum of terms."""
        return self._policy.rate(_question(candidates=candidates, input_tokens=input_tokens, source=source, **told))

    def observe(
        self, *, source: int, destination: int, tier: str, bytes: int, is_over: bool, now_s: float = 0.0
    ) -> None:
        """Tell of a transfer of the router's own that begins or ends, for policies with a book of them."""
        self._policy.observe(
            _question(source=source, destination=destination, tier=tier, bytes=bytes, is_over=is_over, now_s=now_s)
        )

    def __repr__(self) -> str:
        return f"netkv.Policy({self.name!r})"


def choose(policy: str, *, set: Mapping[str, Value] | None = None, **question: Any) -> int | None:
    """One decision of a policy that keeps nothing from one to the next: ``netkv.choose("netkv", source=0, ...)``.

    Where many are made, a ``Policy`` reads its parameters once.
    """
    return Policy(policy, set=set).choose(**question)
