"""Classify scikit-learn's bundled digits, 1 797 real 8x8 images, with a perceptron in PyTorch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from workers import Run

CLASSES = 10
PIXELS = 64
EPOCHS = 15


def train(run: Run) -> float:
    """Train one configuration and return its best validation accuracy."""
    # Workers train side by side: one core each. A worker seeds PyTorch; by hand nobody else does.
    torch.set_num_threads(1)
    torch.manual_seed(run.seed)
    batches, (x_val, y_val) = load_images(run.params["train.batch_size"])
    model = build(run.params)
    optimizer = torch.optim.AdamW(
        model.parameters(),
        lr=run.params["train.learning_rate"],
        weight_decay=run.params["train.weight_decay"],
    )
    # A trial that lost its machine goes on after its newest checkpoint.
    saved = run.checkpoint_dir / "state.pt"
    begun = load(saved, model, optimizer)
    best = begun["best"]
    for epoch in range(begun["epoch"] + 1, EPOCHS + 1):
        model.train()
        for images, digits in batches:
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(images), digits).backward()
            optimizer.step()
        accuracy = score(model, x_val, y_val)
        best = max(best, accuracy)
        save(saved, model, optimizer, {"epoch": epoch, "best": best})
        run.report(epoch, accuracy)
    return best


def load_images(batch_size: int) -> tuple[DataLoader[Any], tuple[torch.Tensor, torch.Tensor]]:
    """Return the training batches, and x_val of shape (n, 64) with y_val of shape (n,)."""
    digits = load_digits()
    x_train, x_val, y_train, y_val = train_test_split(
        (digits.data / 16.0).astype("float32"),
        digits.target,
        test_size=0.25,
        stratify=digits.target,
        random_state=0,
    )
    training = TensorDataset(torch.from_numpy(x_train), torch.from_numpy(y_train))
    validation = torch.from_numpy(x_val), torch.from_numpy(y_val)
    return DataLoader(training, batch_size=batch_size, shuffle=True), validation


def build(params: dict[str, Any]) -> nn.Module:
    """Build the network that `model.*` describes."""
    layers: list[nn.Module] = []
    width = PIXELS
    for _ in range(params["model.layers"]):
        layers += [nn.Linear(width, params["model.units"]), nn.ReLU()]
        layers.append(nn.Dropout(params["model.dropout_rate"]))
        width = params["model.units"]
    return nn.Sequential(*layers, nn.Linear(width, CLASSES))


def score(model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> float:
    """Return the share of digits that the model gets right."""
    model.eval()
    with torch.no_grad():
        return float((model(x).argmax(dim=1) == y).float().mean())


def load(path: Path, model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """Load a checkpoint where there is one; return how far it had come."""
    if not path.exists():
        return {"epoch": 0, "best": 0.0}
    state = torch.load(path, weights_only=True)
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    return dict(state["progress"])


def save(
    path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, progress: dict[str, Any]
) -> None:
    """Write a checkpoint, whole or not at all."""
    partial = path.with_suffix(".partial")
    state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "progress": progress}
    torch.save(state, partial)
    partial.replace(path)
