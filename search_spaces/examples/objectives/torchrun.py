"""Classify scikit-learn's digits in PyTorch, a process for each device of the trial: torchrun."""

from __future__ import annotations

import os
from typing import Any

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset

from workers import Run, launch_ranks

CLASSES = 10
PIXELS = 64
EPOCHS = 15
#: Without a GPU so many processes share the processor: to try the code, not to be fast.
STAND_INS = 2


def train(run: Run) -> float:
    """Start one process for each device, and return what rank 0 returns."""
    result: float = launch_ranks(run, train_rank, ranks=len(run.devices) or STAND_INS)
    return result


def train_rank(run: Run) -> float:
    """Train one configuration as one of its ranks; return the best validation accuracy."""
    torch.set_num_threads(1)
    torch.manual_seed(run.seed)
    has_gpu = torch.cuda.is_available()
    local = int(os.environ["LOCAL_RANK"])
    device = torch.device("cuda", local) if has_gpu else torch.device("cpu")
    distributed.init_process_group("nccl" if has_gpu else "gloo")
    try:
        return _train(run, device)
    finally:
        distributed.destroy_process_group()


def _train(run: Run, device: torch.device) -> float:
    x_train, x_val, y_train, y_val = load_images()
    training = TensorDataset(x_train, y_train)
    # Each rank sees its own part of the data, in an order that all agree on.
    part: DistributedSampler[Any] = DistributedSampler(training, seed=run.seed % 2**31)
    size = max(run.params["train.batch_size"] // distributed.get_world_size(), 1)
    batches = DataLoader(training, batch_size=size, sampler=part)
    model = DistributedDataParallel(build(run.params).to(device))
    optimizer = torch.optim.AdamW(model.parameters(), lr=run.params["train.learning_rate"])
    best = 0.0
    for epoch in range(1, EPOCHS + 1):
        part.set_epoch(epoch)
        model.train()
        for images, digits in batches:
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(images.to(device)), digits.to(device))
            loss.backward()
            optimizer.step()
        # The same in every rank, as their weights are; only what rank 0 reports counts.
        accuracy = score(model.module, x_val.to(device), y_val.to(device))
        best = max(best, accuracy)
        run.report(epoch, accuracy)
    return best


def load_images() -> list[torch.Tensor]:
    """Return x_train, x_val, y_train, y_val; an image has shape (64,), with values 0 to 1."""
    digits = load_digits()
    parts = train_test_split(
        (digits.data / 16.0).astype("float32"),
        digits.target,
        test_size=0.25,
        stratify=digits.target,
        random_state=0,
    )
    return [torch.from_numpy(part) for part in parts]


def build(params: dict[str, Any]) -> nn.Module:
    """Build the network that `model.*` describes."""
    layers: list[nn.Module] = []
    width = PIXELS
    for _ in range(params["model.layers"]):
        layers += [nn.Linear(width, params["model.units"]), nn.ReLU()]
        width = params["model.units"]
    layers.append(nn.Dropout(params["model.dropout_rate"]))
    return nn.Sequential(*layers, nn.Linear(width, CLASSES))


def score(model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> float:
    """Return the share of digits that the model gets right."""
    model.eval()
    with torch.no_grad():
        return float((model(x).argmax(dim=1) == y).float().mean())
