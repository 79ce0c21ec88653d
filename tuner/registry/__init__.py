"""What may be named: samplers, importers, commands and so on; one table for each kind.

A table holds what Tuner brings. What other packages bring is found through their entry points, and
only when something asks for a name that the table does not hold, or for all names. Nothing here
imports what it names: the spec reads the names, and whoever builds one imports it.
"""

from __future__ import annotations

from tuner.registry.commands import COMMANDS as COMMANDS
from tuner.registry.commands import Command as Command
from tuner.registry.exporters import EXPORTERS as EXPORTERS
from tuner.registry.exporters import Exporter as Exporter
from tuner.registry.extension import Extension as Extension
from tuner.registry.extension import Option as Option
from tuner.registry.extension import Trait as Trait
from tuner.registry.importers import IMPORTERS as IMPORTERS
from tuner.registry.importers import KINDS as KINDS
from tuner.registry.importers import is_kind as is_kind
from tuner.registry.pruners import PRUNERS as PRUNERS
from tuner.registry.readers import READERS as READERS
from tuner.registry.registry import Registry as Registry
from tuner.registry.samplers import SAMPLERS as SAMPLERS

#: Every kind of extension there is.
REGISTRIES: tuple[Registry, ...] = (SAMPLERS, PRUNERS, IMPORTERS, EXPORTERS, READERS, COMMANDS)


def used_packages(sampler: str, pruner: str) -> tuple[str, ...]:
    """Return the packages beside Tuner that make a study's sampler and pruner.

    Returns:
        Texts like "toy-samplers 1.2", each once; empty where Tuner brings both.
    """
    named = (SAMPLERS.package_of(sampler), PRUNERS.package_of(pruner))
    return tuple(dict.fromkeys(text for text in named if text is not None))
