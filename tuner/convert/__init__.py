"""Searches of other tools as study specs: `tuner convert`.

A reader for each tool (`tuner.registry.READERS`) makes a `SpecDraft` of a `SearchFile`: plain
values of a spec, and what there is to say beside them; `writing` makes YAML of it. Whatever has no
counterpart here is said in a comment.
"""

from tuner.convert.converting import Converted as Converted
from tuner.convert.converting import convert as convert
from tuner.convert.draft import SpecDraft as SpecDraft
from tuner.convert.search_file import SearchFile as SearchFile
