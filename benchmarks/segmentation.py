"""Uncertainty of segmented scenes: calibration, overlap with errors, and its price.

Run it with::

    python -m benchmarks.segmentation --data DIR [--sets camvid isbi] [--epochs N]
                                      [--members N] [--cache DIR] [--picture FILE]
                                      [--same-film]

``DIR`` holds ``camvid_120x160_{train,val,test}.npz`` and ``isbi_em.npz``.  Small U-Nets
are trained once and kept in the cache.  Temperatures and thresholds are chosen on the
validation images; the table is of the test images.

ECE has 10 bins: of all pixels pooled, of those within one pixel of a boundary, in 10
patches of each image, and the mean over images one by one.  The overlap (U-E) is
pooled, where the uncertainty exceeds what is best on the validation images.  The
interval of 95 % beside it is that of the mean difference per image from the entropy of
the plain network.  "NLL of val" is on the validation images, from which temperatures
are learned.  Below the table stand the temperatures that are best, with all labels
known, for pixels near a boundary and for the others: by those of the predicted map a
local temperature could tell them apart, by those of the labels it can't.

CamVid is chosen by two films, one of which the network does not know, and temperatures
of pixels and images must hold for the film that they were not trained on.  Most test
frames are of a third film; ``--same-film`` chooses by every second stretch of the test
frames instead, and judges by the others.
"""

import argparse
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np
import torch

from benchmarks._segmentation_data import SETS, by_stretches, load_scenes, those
from benchmarks._segmentation_net import UNet, mean_iou, train
from benchmarks._segmentation_scores import HEADER, draw, row, score
from benchmarks._timing import print_columns, print_setting
from skuq.calibration import TemperatureScaler
from skuq.decision import SegmentationQualityRegressor, mask_overlap
from skuq.deep import (
    AuxiliaryErrorNet,
    EnsembleClassifier,
    ImageTemperatureScaler,
    LocalTemperatureScaler,
    MCDropoutWrapper,
    TCPConfidence,
    TorchModuleClassifier,
)
from skuq.evaluation import uncertainty_map
from skuq.metrics import segmentation_boundary

DRAWS = 20
BATCH = 16
NEAR = 2  # pixels from a boundary
LEARNED_FROM = 60  # images of the training set for TCP and the auxiliary network


def main():
    """Train or read the networks, then print a table for each set."""
    options = parse()
    print_setting(("torch", "scikit-learn", "numpy"))
    for name in options.sets:
        scenes = load_scenes(options.data, name)
        scenes = by_stretches(scenes) if options.same_film else scenes
        nets = [network(scenes, seed, options) for seed in range(options.members)]
        report(scenes, nets, options)


def network(scenes, seed, options):
    """The trained network of a seed, from the cache if it is there."""
    path = Path(options.cache, f"{scenes.name}-{options.epochs}-{seed}.pt")
    net = UNet(scenes.n_classes, n_channels=scenes.train.images.shape[1])
    if path.exists():
        net.load_state_dict(torch.load(path, weights_only=True))
    else:
        start = time.perf_counter()
        images, labels = scenes.train.images, scenes.train.y
        net = train(images, labels, scenes.n_classes, epochs=options.epochs, seed=seed)
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save(net.state_dict(), path)
        print(f"{path.name}: {time.perf_counter() - start:.0f} s of training")
    return net.eval()


def report(scenes, nets, options):
    """Print the table of a set, and draw some of its scenes."""
    wrap = partial(
        TorchModuleClassifier,
        classes=scenes.n_classes,
        batch_size=BATCH,
        ignore_index=scenes.void,
    )
    models = [wrap(net) for net in nets]
    predicted = torch.as_tensor(models[0].predict(scenes.test.images))
    iou = mean_iou(torch.as_tensor(scenes.test.y), predicted, scenes.n_classes)
    print(f"\n{scenes.name}: {len(predicted)} test images, mean IoU {iou:.3f}")
    plain, lines, maps = None, [HEADER], {}
    for name, predict in methods(models, scenes).items():
        start = time.perf_counter()
        proba, unsure = predict(scenes.test.images)
        seconds = (time.perf_counter() - start) / len(proba)
        threshold_from = predict(scenes.val.images)
        scores = score(scenes, proba, unsure, threshold_from)
        plain = scores if plain is None else plain
        lines.append(row(name, scores, plain, seconds))
        maps[name] = proba, unsure
        print(f"  {name} done", flush=True)
    print_columns(lines)
    print_temperatures(scenes, models[0])
    print_quality(scenes, models[0])
    if options.picture:
        draw(scenes, maps, Path(options.picture))


def print_temperatures(scenes, model):
    """The best temperatures near boundaries and elsewhere, for each film."""
    films = scenes.sources
    if films is None:
        parts = {"validation": scenes.val}
    else:
        parts = {
            f"validation, {f}": those(scenes.val, films == f) for f in np.unique(films)
        }
    for name, part in {**parts, "test": scenes.test}.items():
        logits = model.predict_logits(part.images)
        found = {}
        for kind, map_ in (("predicted", logits.argmax(axis=1)), ("true", part.y)):
            near = segmentation_boundary(map_, NEAR, ignore_index=scenes.void)
            found[kind] = " / ".join(
                f"{best_temperature(logits, part.y, where, scenes.void):.3f}"
                for where in (near, ~near)
            )
        texts = (f"{kind} boundary {text}" for kind, text in found.items())
        print(f"best temperatures near / off the {', the '.join(texts)}: {name}")


def best_temperature(logits, y, where, void):
    """The one of temperature scaling, fitted to some of the pixels."""
    scaler = TemperatureScaler(input="logit", ignore_index=void)
    return scaler.fit(logits, np.where(where, y, void)).temperature_


def print_quality(scenes, model):
    """Whether uncertainty helps to tell good segmentations from poor ones."""
    known = {"background": None, "ignore_index": scenes.void}
    parts = (scenes.val, scenes.test)
    masks, unsure = (
        [function(part.images) for part in parts]
        for function in (model.predict, partial(uncertainty_map, model))
    )
    quality = mask_overlap(scenes.test.y, masks[1], **known)
    found = {}
    for name, maps in (("with", unsure), ("without", [None, None])):
        regressor = SegmentationQualityRegressor(**known)
        regressor.fit(
            scenes.val.images, scenes.val.y, masks=masks[0], uncertainty=maps[0]
        )
        predicted = regressor.predict(
            scenes.test.images, masks=masks[1], uncertainty=maps[1]
        )
        found[name] = np.corrcoef(predicted, quality)[0, 1]
    print(
        f"mean Dice of an image {quality.mean():.3f} ± {quality.std():.3f}; its "
        f"correlation with the predicted one: {found['with']:.3f} with uncertainty "
        f"maps, {found['without']:.3f} without"
    )


def methods(models, scenes):
    """Name -> function that gives probabilities and uncertainties of images."""
    model, void = models[0], scenes.void
    logits = model.predict_logits(scenes.val.images)
    found = {"softmax": by_entropy(model)}
    for name, scaler, sees in (
        ("temperature", TemperatureScaler(input="logit", ignore_index=void), False),
        ("image temperature", ImageTemperatureScaler(ignore_index=void), True),
        ("local temperature", LocalTemperatureScaler(ignore_index=void), True),
    ):
        options = {}
        if sees:
            scaler.set_params(input="logit", random_state=0)
            options = {"image": scenes.val.images, "groups": scenes.sources}
        scaler.fit(logits, scenes.val.y, **options)
        found[name] = by_temperature(model, scaler, sees)
    draws = MCDropoutWrapper(model, n_samples=DRAWS, random_state=0)
    found["MC dropout"] = by_entropy(draws)
    if len(models) > 1:
        ensemble = EnsembleClassifier.from_estimators(models)
        found[f"ensemble of {len(models)}"] = by_entropy(ensemble)
    X, y = scenes.train.images[:LEARNED_FROM], scenes.train.y[:LEARNED_FROM]
    small = partial(TCPConfidence, hidden_layer_sizes=(32, 32))  # for every pixel
    for name, confidence in (("TCP", small), ("auxiliary network", AuxiliaryErrorNet)):
        learner = confidence(
            model, ignore_index=void, max_epochs=10, batch_size=4, random_state=0
        )
        found[name] = by_confidence(learner.fit(X, y))
    return found


def by_entropy(model):
    """The entropy of the mean probabilities."""

    def predict(images):
        return model.predict_proba(images), uncertainty_map(model, images)

    return predict


def by_temperature(model, scaler, sees_images):
    """The entropy after calibration."""

    def predict(images):
        options = {"image": images} if sees_images else {}
        proba = scaler.predict_proba(model.predict_logits(images), **options)
        return proba, -np.sum(proba * np.log(np.maximum(proba, 1e-30)), axis=1)

    return predict


def by_confidence(learner):
    """One minus a learned confidence, beside the probabilities as they are."""

    def predict(images):
        return learner.predict_proba(images), 1 - learner.predict_confidence(images)

    return predict


def parse():
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="folder of the arrays")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=["camvid"])
    parser.add_argument("--epochs", type=int, default=80)
    parser.add_argument("--members", type=int, default=3, help="of the ensemble")
    cache = Path(tempfile.gettempdir(), "skuq-segmentation")
    parser.add_argument("--cache", default=cache, help="folder of trained networks")
    parser.add_argument("--same-film", action="store_true")
    parser.add_argument("--picture", help="file to draw five scenes to")
    return parser.parse_args()


if __name__ == "__main__":
    main()
