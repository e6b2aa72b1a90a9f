"""Train mixnet-nano on pictures that ``render`` draws, and put the model into the zoo.

``python -m training.train_nano``, run from the root of a checkout, writes ``mixnet-nano.tar.gz``, ``validation/``,
``labels.txt`` and ``demo_labels.txt`` into ``models/public/mixnet-nano``. It prints the figures of the card and the
descriptor: size, SHA-384, parameters, multiply-adds, and the accuracy of the archive. A second run writes the same
pictures to the byte (with the same Pillow). Its weights and its accuracy differ a little, because two threads add
floating-point numbers in no fixed order.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import math
import tarfile
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tensorflow.compat.v1 as tf
from PIL import Image

from training import mixnet, mixnet_tf1, render

SEED = 20_240_613
SPEC = mixnet.MIXNET_NANO
VALIDATION_PER_CLASS = 20
CROP = 0.875
BATCH = 96
PEAK_RATE, LAST_RATE = 4e-3, 1.5e-4
EMA_DECAY = 0.998
LABEL_SMOOTHING = 0.05
WEIGHT_DECAY = 2e-5
ZOO_FOLDER = Path("models/public") / SPEC.name

Images = npt.NDArray[np.uint8]  # [N, R, R, 3] RGB
Labels = npt.NDArray[np.int32]  # [N]


def omz_preprocess(image: Image.Image) -> Images:
    """Prepare an image as accuracy-check.yml says: crop each side to 87.5 %, resize to R x R (bicubic), uint8."""
    width, height = (int(CROP * side) for side in image.size)
    left, top = round((image.width - width) / 2.0), round((image.height - height) / 2.0)
    cropped = image.crop((left, top, left + width, top + height))
    size = (SPEC.resolution, SPEC.resolution)
    return np.asarray(cropped.resize(size, Image.Resampling.BICUBIC))


def _training_view(image: Image.Image, rng: np.random.Generator) -> Images:
    """Prepare an image as ``omz_preprocess`` does, with a crop that varies a little in size and place."""
    box = []
    for side in image.size:
        part, shift = rng.uniform(0.82, 0.93), rng.uniform(-0.03, 0.03)
        start = (0.5 + shift - part / 2) * side
        box.append((max(0.0, start), min(float(side), start + part * side)))
    (left, right), (top, bottom) = box
    size = (SPEC.resolution, SPEC.resolution)
    view = image.resize(size, Image.Resampling.BICUBIC, box=(left, top, right, bottom))
    if rng.uniform() < 0.5:
        view = view.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return np.asarray(view)


def training_set(count: int, seed: int) -> tuple[Images, Labels]:
    """Render ``count`` pictures, one class after the other, encoded as JPEG like the validation set."""
    rng = np.random.default_rng(seed)
    images = np.empty((count, SPEC.resolution, SPEC.resolution, 3), np.uint8)
    labels = np.arange(count, dtype=np.int32) % SPEC.num_classes
    for index, label in enumerate(labels):
        picture = render.to_jpeg(render.render(int(label), seed + 1 + index))
        images[index] = _training_view(Image.open(io.BytesIO(picture)), rng)
    return images, labels


def write_validation_set(folder: Path, seed: int) -> None:
    """Write the JPEGs and ``val.txt`` (a line ``name.jpg label`` each). Training uses other seeds."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.jpg"):
        old.unlink()
    lines = []
    for index in range(VALIDATION_PER_CLASS * SPEC.num_classes):
        label = index % SPEC.num_classes
        name = f"val_{index:04d}.jpg"
        # The validation set has the seeds below `seed`, the training set those above it.
        (folder / name).write_bytes(render.to_jpeg(render.render(label, seed - 1 - index)))
        lines.append(f"{name} {label}\n")
    (folder / "val.txt").write_text("".join(lines), encoding="utf-8")


def read_validation_set(folder: Path) -> tuple[Images, Labels]:
    """Read the validation set, prepared for the model: RGB uint8 [N, R, R, 3] and labels [N]."""
    rows = [line.split() for line in (folder / "val.txt").read_text(encoding="utf-8").splitlines()]
    images = np.stack([omz_preprocess(Image.open(folder / name).convert("RGB")) for name, _ in rows])
    return images, np.array([int(label) for _, label in rows], np.int32)


def _learning_rate(step: int, steps: int) -> float:
    """The rate at ``step``: it rises linearly at first, then falls along half a cosine to ``LAST_RATE``."""
    rise = steps // 20
    if step < rise:
        return PEAK_RATE * (step + 1) / rise
    done = (step - rise) / max(1, steps - rise)
    return LAST_RATE + (PEAK_RATE - LAST_RATE) * (1 + math.cos(math.pi * done)) / 2


def _batches(count: int, steps: int, rng: np.random.Generator) -> Iterator[npt.NDArray[np.int64]]:
    """Yield ``steps`` arrays of ``BATCH`` indices below ``count``, in a new order in each epoch."""
    order = rng.permutation(count)
    start = 0
    for _ in range(steps):
        if start + BATCH > count:
            order, start = rng.permutation(count), 0
        yield order[start : start + BATCH]
        start += BATCH


def train(images: Images, labels: Labels, epochs: float, seed: int, threads: int) -> dict[str, mixnet_tf1.Array]:
    """Train on the CPU. Returns every variable of the evaluation graph by name: raw, averaged, and the global step."""
    steps = int(len(images) * epochs / BATCH)
    with tf.Graph().as_default() as graph:
        tf.set_random_seed(seed)
        pixels = tf.placeholder(tf.float32, [None, SPEC.resolution, SPEC.resolution, 3])
        target, rate = tf.placeholder(tf.int32, [None]), tf.placeholder(tf.float32, [])
        logits = mixnet_tf1.build_logits(pixels, SPEC, training=True, dropout=0.1)
        wanted = tf.one_hot(target, SPEC.num_classes) * (1 - LABEL_SMOOTHING)
        wanted += LABEL_SMOOTHING / SPEC.num_classes
        loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits_v2(labels=wanted, logits=logits))
        kernels = [v for v in tf.trainable_variables() if v.op.name.endswith("kernel")]
        decay = WEIGHT_DECAY * tf.add_n([tf.nn.l2_loss(kernel) for kernel in kernels])
        hits = tf.reduce_mean(tf.cast(tf.equal(tf.argmax(logits, 1, output_type=tf.int32), target), tf.float32))
        averages = mixnet_tf1.add_ema_variables()
        optimize = tf.train.AdamOptimizer(rate).minimize(loss + decay)
        with tf.control_dependencies([optimize, *tf.get_collection(tf.GraphKeys.UPDATE_OPS)]):
            follow = [tf.assign_sub(ema, (1 - EMA_DECAY) * (ema - raw)) for raw, ema in averages.items()]
        start_averages = [tf.assign(ema, raw) for raw, ema in averages.items()]
        config = tf.ConfigProto(intra_op_parallelism_threads=threads, inter_op_parallelism_threads=1)
        with tf.Session(graph=graph, config=config) as session:
            session.run(tf.global_variables_initializer())
            session.run(start_averages)
            step_op = tf.group(follow)
            began, window = time.monotonic(), []
            for step, chosen in enumerate(_batches(len(images), steps, np.random.default_rng(seed))):
                feeds = {pixels: images[chosen], target: labels[chosen], rate: _learning_rate(step, steps)}
                _, *numbers = session.run([step_op, loss, hits], feeds)
                window.append(numbers)
                if (step + 1) % 50 == 0 or step + 1 == steps:
                    mean_loss, mean_hits = np.mean(window, axis=0)
                    window.clear()
                    seconds = time.monotonic() - began
                    line = f"step {step + 1}/{steps}  loss {mean_loss:.3f}  batch top-1 {mean_hits:.1%}"
                    print(f"{line}  {seconds:.0f} s", flush=True)
            names = {v.op.name: v for pair in averages.items() for v in pair}
            values: dict[str, mixnet_tf1.Array] = session.run(names)
    values["global_step"] = np.asarray(steps, np.int64)
    return values


def evaluate(archive: Path, images: Images, labels: Labels, averaged: bool = False) -> tuple[float, float]:
    """Measure top-1 and top-5 (0..1) of the model in ``archive``, restored like a published checkpoint.

    With ``averaged`` the network gets the moving averages instead of the raw values.
    """
    with tempfile.TemporaryDirectory() as scratch, tf.Graph().as_default() as graph:
        with tarfile.open(archive) as tar:
            tar.extractall(scratch, filter="data")
        prefix = str(Path(scratch) / SPEC.name / "model.ckpt")
        saver = tf.train.import_meta_graph(f"{prefix}.meta")
        if averaged:
            raw = [v for v in tf.global_variables() if not v.op.name.endswith(mixnet_tf1.EMA_SUFFIX)]
            raw = [v for v in raw if v.op.name != "global_step"]
            saver = tf.train.Saver({v.op.name + mixnet_tf1.EMA_SUFFIX: v for v in raw})
        with tf.Session(graph=graph) as session:
            saver.restore(session, prefix)
            scores = np.concatenate(
                [
                    session.run(f"{mixnet_tf1.LOGITS}:0", {"IteratorGetNext:0": images[i : i + 100]})
                    for i in range(0, len(images), 100)
                ]
            )
    ranking = np.argsort(-scores, axis=1)
    right = ranking == labels[:, np.newaxis]
    return float(right[:, 0].mean()), float(right[:, :5].any(axis=1).mean())


def main() -> None:
    """Render, train, export, pack, read back, report."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--output", type=Path, default=ZOO_FOLDER, help="the model's folder in the zoo")
    parser.add_argument("--images", type=int, default=40_000, help="pictures to train on")
    parser.add_argument("--epochs", type=float, default=11.0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=SEED)
    options = parser.parse_args()

    began = time.monotonic()
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / "labels.txt").write_text("".join(f"{name}\n" for name in render.CLASSES))
    numbered = (f"{number} {name.replace('_', ' ')}\n" for number, name in enumerate(render.CLASSES))
    (options.output / "demo_labels.txt").write_text("".join(numbered))
    write_validation_set(options.output / "validation", options.seed)
    images, labels = training_set(options.images, options.seed)
    print(f"rendered {len(images)} pictures in {time.monotonic() - began:.0f} s", flush=True)
    values = train(images, labels, options.epochs, options.seed, options.threads)

    archive = options.output / f"{SPEC.name}.tar.gz"
    with tempfile.TemporaryDirectory() as scratch:
        mixnet_tf1.pack_archive(mixnet_tf1.export_checkpoint(SPEC, values, Path(scratch)), archive)
    pictures, truth = read_validation_set(options.output / "validation")
    graph = mixnet_tf1.build_eval_graph(SPEC)
    results = {
        "size": archive.stat().st_size,
        "sha384": hashlib.sha384(archive.read_bytes()).hexdigest(),
        "validation_bytes": sum(p.stat().st_size for p in (options.output / "validation").iterdir()),
        "parameters": mixnet_tf1.count_parameters(graph),
        "multiply_adds": mixnet_tf1.count_macs(graph),
        "raw": evaluate(archive, pictures, truth),
        "averaged": evaluate(archive, pictures, truth, averaged=True),
        "raw_swapped_channels": evaluate(archive, pictures[..., ::-1], truth),
        "seconds": round(time.monotonic() - began),
    }
    print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
