"""Search spaces: parameters with ranges, conditions and forbidden combinations.

Conversions live in submodules that are imported on demand: `tuner.space.optuna`,
`tuner.space.hparams` (TensorBoard) and `tuner.space.kerastuner`.
"""

from tuner.space.parameter import Condition as Condition
from tuner.space.parameter import Parameter as Parameter
from tuner.space.problem import Path as Path
from tuner.space.problem import Problem as Problem
from tuner.space.problem import Problems as Problems
from tuner.space.search_space import Params as Params
from tuner.space.search_space import SearchSpace as SearchSpace
from tuner.space.value import Value as Value
