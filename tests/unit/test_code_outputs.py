"""What a snapshot leaves out with a word, and what it never may: files that the code reads."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tuner.snapshot import Snapshot, compare_code, make_snapshot, warn_of_standard_names

LARGE = "x" * 2_100_000


def take(folder: Path, files: dict[str, str]) -> Snapshot:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return make_snapshot(folder)


OUTPUTS = [
    *("run.log", "logs/a/b.txt", "train.log.1", "nohup.out", "slurm-17.out", "wandb/run/x.json"),
    *("plot.png", "plots/a.svg", "results/table.csv", "figures/fig.pdf", "mlruns/0/meta.yaml"),
    *("best.keras", "w.h5", "model.ckpt", "model.ckpt.data-00000-of-00001", "net.pt", "arrays.npz"),
]


@pytest.mark.parametrize("name", OUTPUTS)
def test_logs_pictures_models_and_folders_of_outputs_are_left_out(
    name: str, tmp_path: Path
) -> None:
    snapshot = take(tmp_path, {"train.py": "x = 1\n", name: "old"})

    assert snapshot.files == ("train.py",)
    assert snapshot.left_out.startswith(f"{name.partition('/')[0]}")


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("best.keras", "load_model(HERE / 'best.keras')"),
        ("weights/base.h5", "model.load_weights('weights/base.h5')"),
        ("results/best.csv", "read_csv(HERE / 'results' / 'best.csv')"),
        ("access.log", "open('access.log')"),
        ("img/cat.png", "sorted(HERE.glob('**/*.png'))"),
        ("img/cat.png", "Image.open(HERE / 'img' / name)"),
        ("img/7.png", "Image.open(f'{n}.png')"),
        ("data/a/b.npz", "os.listdir('data')"),
        ("train.bin", "np.fromfile('train.bin')"),
        ("train.bin", "load_checkpoint('train.bin')"),
    ],
)
def test_what_the_code_reads_is_taken_whatever_it_looks_like(
    name: str, code: str, tmp_path: Path
) -> None:
    snapshot = take(tmp_path, {"train.py": code, name: LARGE})

    assert snapshot.files == tuple(sorted(["train.py", name]))
    assert snapshot.left_out == ""


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("curve.png", "plt.savefig('curve.png')"),
        ("plots/a.png", "Path('plots').mkdir()\nplt.savefig(Path('plots') / f'{n}.png')"),
        ("best.keras", "ModelCheckpoint('best.keras')"),
        ("model.pt", "torch.save(net, 'model.pt')"),
        ("notes.txt", "open('notes.txt', 'w')"),
        ("notes.txt", "open('notes.txt', mode='a')"),
        ("run.log", "logging.basicConfig(filename='run.log')"),
        ("old.npz", "# np.load('old.npz')"),
    ],
)
def test_what_the_code_writes_is_left_out(name: str, code: str, tmp_path: Path) -> None:
    assert take(tmp_path, {"train.py": code, name: LARGE}).files == ("train.py",)


def test_a_configuration_and_the_spec_name_files_too(tmp_path: Path) -> None:
    spec = "project: p\nstudy: s\nsearch_space: {w: {type: fixed, value: base.h5}}\n"
    files = {"train.py": "", "s.yaml": spec, "c.json": '{"data": "d/x.npz"}'}

    snapshot = take(tmp_path, {**files, "base.h5": "", "d/x.npz": ""})

    assert snapshot.files == ("base.h5", "c.json", "d/x.npz", "train.py")


def test_what_a_run_has_written_names_nothing_that_is_read(tmp_path: Path) -> None:
    files = {"train.py": "", "results/best.json": '{"plot": "a.png"}', "a.png": "", "b.json": ""}

    assert take(tmp_path / "results", files).files == ("b.json", "train.py")


def test_modules_and_small_files_are_always_taken(tmp_path: Path) -> None:
    names = ["results/plot.py", "runs/fast.so", "vocabulary.txt", "table.csv", "big.py"]
    files = dict.fromkeys(names, "x = 1\n") | {"big.py": "#" * 2_100_000}

    assert set(take(tmp_path, files).files) == set(names)


def test_the_ignore_file_takes_one_back(tmp_path: Path) -> None:
    files = {"a.log": "", "b.log": "", "plots/c.png": "", "plots/d.png": "", "train.bin": LARGE}

    snapshot = take(tmp_path, {**files, ".tunerignore": "!a.log\n!plots/\nplots/d.png\n!*.bin\n"})

    assert snapshot.files == ("a.log", "plots/c.png", "train.bin")
    assert snapshot.left_out.startswith("b.log (1 kB): ")


def test_the_word_names_the_largest_first_and_whole_folders_as_one(tmp_path: Path) -> None:
    files = {"train.py": "", "run.log": "x" * 1500, "plots/a.png": LARGE, "plots/b/c.png": LARGE}
    files |= {"results/make.py": "", "results/t.csv": "x" * 150_000, "1.png": "", "2.png": ""}

    word = take(tmp_path, files).left_out

    assert word == (
        "plots/ (4.2 MB), results/t.csv (0.1 MB), run.log (2 kB), 1.png (1 kB), 1 more: outputs "
        "and large files that the code does not name; a line !plots/ in .tunerignore takes one "
        "along"
    )


def test_modules_with_the_name_of_a_standard_one_are_warned_of() -> None:
    files = ["objectives.py", "statistics.py", "os.py", "json/__init__.py", "email/notes.md"]

    said = warn_of_standard_names([*files, "queue.py", "pkg/types.py"], ["statistics.py"])

    assert [line.partition(" ")[0] for line in said] == [
        *("json/__init__.py", "os.py", "queue.py", "statistics.py")
    ]
    assert "libraries that import 'json' in a trial get yours" in said[0]
    assert "trials never see yours" in said[1]
    assert "the objective gets yours, as when it runs by hand" in said[3]


def test_names_that_are_no_text_are_taken_compared_and_shown(tmp_path: Path) -> None:
    def write(name: bytes, text: str) -> None:
        Path(os.fsdecode(os.path.join(os.fsencode(tmp_path), name))).write_text(text)  # noqa: PTH118 - bytes

    for name in (b"caf\xe9.txt", b"run\xe9.log", b"two\nlines.md"):
        write(name, "1")
    old = take(tmp_path, {"train.py": "x = 1\n"})
    write(b"caf\xe9.txt", "2")
    write(b"two\nlines.md", "2")
    new = make_snapshot(tmp_path)

    assert len(old.files) == 3
    assert old.left_out.startswith("run\\udce9.log (1 kB)")
    others = compare_code(old.data, new.data, ["train"]).others
    assert others == ("caf\\udce9.txt", "two\\nlines.md")
