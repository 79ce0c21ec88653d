"""Converts other tools' searches to study specs: `tuner convert`.

One reader per tool (`tuner.registry.READERS`) makes a `SpecDraft` of a `SearchFile`: a spec as
plain values, with notes on them; `writing` turns it into YAML. Whatever has no counterpart in a
spec is mentioned in a comment.
"""

from tuner.convert.converting import Converted as Converted
from tuner.convert.converting import convert as convert
from tuner.convert.draft import SpecDraft as SpecDraft
from tuner.convert.search_file import SearchFile as SearchFile
