"""Makes ray_space.json with Ray itself (`pip install "ray[tune]"`); the tests read the file."""

import json

from ray import tune

search_space = {
    "lr": tune.loguniform(1e-5, 1e-1),
    "momentum": tune.uniform(0.1, 0.9),
    "drop": tune.quniform(0, 1, 0.1),
    "decay": tune.qloguniform(1e-4, 1e-1, 5e-5),
    "bias": tune.randn(10, 2),
    "offset": tune.qrandn(10, 2, 0.2),
    "layers": tune.randint(1, 5),
    "units": tune.qrandint(8, 128, 8),
    "filters": tune.lograndint(1, 1000),
    "width": tune.qlograndint(8, 1024, 8),
    "optimizer": tune.choice(["adam", "sgd", None]),
    "batch_size": tune.grid_search([32, 64, 128]),
    "epochs": 10,
    "model": {"activation": tune.choice(["relu", "tanh"]), "shape": [1, 2]},
    "late": tune.sample_from(lambda spec: 3),
}
write = lambda o: {"type": type(o).__name__, **vars(o)}  # noqa: E731 - as the docs show it
json.dump(search_space, open("ray_space.json", "w"), indent=1, default=write)  # noqa: PTH123, SIM115
