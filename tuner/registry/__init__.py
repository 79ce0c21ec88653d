"""What can be referred to by name: samplers, importers, commands, …; one table for each kind.

A table holds what Tuner provides. What other packages add is found through their entry points, and
only when a name is requested that the table does not hold, or all names are. Nothing here imports
what it names: the spec reads the names, and the code that builds an object imports its module.
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
from tuner.registry.importers import HistoryImporter as HistoryImporter
from tuner.registry.importers import folder_importers as folder_importers
from tuner.registry.importers import is_kind as is_kind
from tuner.registry.pruners import PRUNERS as PRUNERS
from tuner.registry.readers import READERS as READERS
from tuner.registry.registry import Registry as Registry
from tuner.registry.samplers import SAMPLERS as SAMPLERS

#: Every kind of extension.
REGISTRIES: tuple[Registry, ...] = (SAMPLERS, PRUNERS, IMPORTERS, EXPORTERS, READERS, COMMANDS)


def used_packages(sampler: str, pruner: str) -> tuple[str, ...]:
    """Return the packages other than Tuner that provide a study's sampler and pruner.

    Returns:
        Texts such as "toy-samplers 1.2", each once; empty if Tuner provides both.
    """
    named = (SAMPLERS.package_of(sampler), PRUNERS.package_of(pruner))
    return tuple(dict.fromkeys(text for text in named if text is not None))
