"""A random forest on the digits of scikit-learn: an objective that lives in the image."""

from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split

from workers import Run


def train(run: Run) -> float:
    """Return the accuracy on a quarter of the images."""
    images, digits = load_digits(return_X_y=True)
    train_x, test_x, train_y, test_y = train_test_split(images, digits, random_state=0)
    forest = RandomForestClassifier(
        n_estimators=run.params["model.trees"],
        max_depth=run.params["model.depth"],
        random_state=run.seed,
    )
    return float(forest.fit(train_x, train_y).score(test_x, test_y))
