"""netkv: when does it pay, and by how much, to choose the decode instance of a disaggregated LLM service by what the network
can carry?

>>> import netkv
>>> cells = netkv.run("load.toml", seeds=3, set={"fabric.nic_gbps": 200}, quick=True)
>>> netkv.Policy("netkv").choose(source=0, input_tokens=8000, candidates=[...], paths={...})

``run`` is the command ``netkv run``, called in this process: the same code, the same files, the same bits. ``command`` calls
any other. A ``Policy`` is one of netkv-policy, asked for one decision.
"""

from ._command import (
    Bug,
    CellsFailed,
    CommandFailed,
    Error,
    InputError,
    MachineError,
    UsageError,
    command,
    run,
)
from ._command import _main as _main
from ._netkv import POLICIES, __version__
from ._policy import Policy, choose

__all__ = [
    "POLICIES",
    "Bug",
    "CellsFailed",
    "CommandFailed",
    "Error",
    "InputError",
    "MachineError",
    "Policy",
    "UsageError",
    "__version__",
    "choose",
    "command",
    "run",
]
