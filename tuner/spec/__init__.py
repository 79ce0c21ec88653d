"""Study specs: what a user asks for, read from a file or a request, checked once."""

from tuner.spec.editing import EDITABLE as EDITABLE
from tuner.spec.editing import edit_spec as edit_spec
from tuner.spec.editing import is_raised as is_raised
from tuner.spec.found import known_parameters as known_parameters
from tuner.spec.growth import Growth as Growth
from tuner.spec.growth import grow as grow
from tuner.spec.growth import space_of as space_of
from tuner.spec.identity import Change as Change
from tuner.spec.identity import compare as compare
from tuner.spec.identity import identity as identity
from tuner.spec.identity import keep_found as keep_found
from tuner.spec.identity import show_change as show_change
from tuner.spec.model import StudySpec as StudySpec
from tuner.spec.parts import Budget as Budget
from tuner.spec.reading.loading import LoadedSpec as LoadedSpec
from tuner.spec.reading.loading import load_spec as load_spec
from tuner.spec.reading.loading import parse_spec as parse_spec
from tuner.spec.reading.loading import parse_stored as parse_stored
from tuner.spec.reading.yaml12 import parse_value as parse_value
