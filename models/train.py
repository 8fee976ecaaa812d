"""
Make `tagger-int8.onnx` again: train the tagger on `sentences/`, and write it as a graph beside the encoder's.

    pip install jax optax onnx numpy .
    python models/train.py OUT

Beside those sentences it learns from plain ones, which `plain.py` makes.  The tagger reads, of every word, the
encoder's hidden states after layers 4 and 6 and how the word is written (see agentmem/marks.py).  One layer of
self-attention (Vaswani et al. 2017) with a learned bias by distance (Shaw et al. 2018; Raffel et al. 2020, T5) and one
convolution over three words; on top four linear layers say which value a word belongs to, whether it holds, whose it
is, and whether the word names somebody.  The encoder itself is not changed.

`sentences/dev.txt` is not trained on; what it gives is printed.  Training is deterministic on one machine.
"""

import argparse
import hashlib
import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import onnx
import optax
from build import MICROSOFT, Graph, quantise
from marked import FOLDER, Sentence, by_predicate, read, varied
from onnx import TensorProto, helper
from plain import plain

from agentmem.encoder import MiniLM
from agentmem.marks import FAR, SHAPES, Scores, distances, marks

WIDTH, HEADS, INPUT = 192, 6, 2 * 384 + SHAPES
EPOCHS, BATCH, RATE, DROPOUT, DECAY, SEED = 8, 32, 1e-3, 0.15, 0.02, 0
VARIANTS = 1  # of each sentence, beside itself
WEIGHTS = {"values": 10.0, "states": 1.0, "others": 1.0, "subjects": 3.0}  # of the parts of the loss

Array = Any
Example = dict[str, Array]


def example(encoder: MiniLM, sentence: Sentence, predicates: list[str]) -> Example:
    """Return the words of *sentence*, what the tagger reads of them, and what it is to say."""
    spans, made = encoder.words(sentence.text)
    count = len(spans)
    found: Example = {"text": sentence.text, "spans": spans, "words": made.astype(np.float16)}
    found |= {"values": np.zeros(count, int), "subjects": np.zeros(count, int)}
    found |= {"states": np.full(count, -1), "others": np.full(count, -1)}
    for start, end in sentence.subjects:
        inside = [i for i, (a, b) in enumerate(spans) if a < end and b > start]
        found["subjects"][inside] = [1] + [2] * (len(inside) - 1) if inside else []
    for value in sentence.values:
        inside = [i for i, (a, b) in enumerate(spans) if a < value.end and b > value.start]
        label = 1 + 2 * predicates.index(value.predicate)
        found["values"][inside] = [label] + [label + 1] * (len(inside) - 1) if inside else []
        found["states"][inside] = value.state
        found["others"][inside] = value.other
    return found


def padded(examples: list[Example], count: int) -> Example:
    """Put examples into arrays of one length."""
    longest = -(-max(len(each["spans"]) for each in examples) // 8) * 8
    made = {"words": np.zeros((count, longest, INPUT), np.float32), "there": np.zeros((count, longest), np.float32)}
    for name, empty in (("values", 0), ("subjects", 0), ("states", -1), ("others", -1)):
        made[name] = np.full((count, longest), empty)
    for row, each in enumerate(examples):
        made["there"][row, : len(each["spans"])] = 1
        for name in ("words", "values", "subjects", "states", "others"):
            made[name][row, : len(each["spans"])] = each[name]
    return made


def batched(examples: list[Example], draw: np.random.Generator) -> Iterator[Example]:
    """Yield batches of examples of about one length, in random order."""
    order = sorted(draw.permutation(len(examples)), key=lambda i: (len(examples[i]["spans"]) // 4, draw.random()))
    parts = [order[at : at + BATCH] for at in range(0, len(order), BATCH)]
    draw.shuffle(parts)
    for part in parts:
        yield padded([examples[i] for i in part], BATCH)


def initial(key: Array, labels: int) -> dict[str, Array]:
    """Return weights to begin with, by name; `.b` are biases, `.g` gains."""
    shapes = {"in": (INPUT, WIDTH), "qkv": (WIDTH, 3 * WIDTH), "o": (WIDTH, WIDTH), "up": (WIDTH, 2 * WIDTH)}
    shapes |= {"down": (2 * WIDTH, WIDTH), "near": (3 * WIDTH, WIDTH), "out": (WIDTH, labels + 8)}
    made = {"distance": jnp.zeros((HEADS, 2 * FAR + 1))} | {f"{n}.g": jnp.ones(WIDTH) for n in ("1", "2", "3")}
    for place, (name, (rows, columns)) in enumerate(shapes.items()):
        scale = (0.5 if name in ("near", "out") else 1.0) / math.sqrt(rows)
        made[name] = jax.random.normal(jax.random.fold_in(key, place), (rows, columns)) * scale
        made[f"{name}.b"] = jnp.zeros(columns)
    return made


def forward(p: dict[str, Array], words: Array, there: Array, key: Array = None) -> Array:
    """(b, n, INPUT), (b, n) → (b, n, labels + 8) logits; *key* for dropout in training."""

    def drop(x: Array, place: int) -> Array:
        if key is None:
            return x
        return x * jax.random.bernoulli(jax.random.fold_in(key, place), 1 - DROPOUT, x.shape) / (1 - DROPOUT)

    def norm(x: Array, name: str) -> Array:  # RMSNorm, Zhang & Sennrich 2019
        return x * jax.lax.rsqrt((x * x).mean(-1, keepdims=True) + 1e-6) * p[f"{name}.g"]

    def linear(x: Array, name: str) -> Array:
        return x @ p[name] + p[f"{name}.b"]

    x = linear(drop(words, 0), "in")
    b, n, _ = x.shape
    q, k, v = (
        part.reshape(b, n, HEADS, -1).transpose(0, 2, 1, 3) for part in jnp.split(linear(norm(x, "1"), "qkv"), 3, -1)
    )
    share = q @ k.transpose(0, 1, 3, 2) / math.sqrt(WIDTH // HEADS) + p["distance"][:, distances(n)]
    share = jax.nn.softmax(jnp.where(there[:, None, None] > 0, share, -1e9), -1)
    x = x + drop(linear((share @ v).transpose(0, 2, 1, 3).reshape(b, n, WIDTH), "o"), 1)
    x = x + drop(linear(jax.nn.gelu(linear(norm(x, "2"), "up"), approximate=False), "down"), 2)
    x = x * there[..., None]
    around = jnp.pad(drop(x, 3), ((0, 0), (1, 1), (0, 0)))
    near = jnp.concatenate([around[:, :-2], around[:, 1:-1], around[:, 2:]], -1)
    x = x + jax.nn.gelu(linear(near, "near"), approximate=False)
    return linear(drop(norm(x, "3"), 4), "out")


def split(logits: Array) -> Scores:
    """Return the four parts of the *logits* (…, labels + 8)."""
    return Scores(logits[..., :-8], logits[..., -8:-5], logits[..., -5:-3], logits[..., -3:])


def loss(p: dict[str, Array], batch: Example, key: Array) -> Array:
    """Return the sum of four cross-entropies, each a mean over the words that it is about."""
    total = 0.0
    for name, logits in split(forward(p, batch["words"], batch["there"], key))._asdict().items():
        each = optax.softmax_cross_entropy_with_integer_labels(logits, jnp.maximum(batch[name], 0))
        on = batch["there"] * (batch[name] >= 0)
        total += WEIGHTS[name] * (each * on).sum() / (on.sum() + 1)
    return total


def train(examples: list[Example], labels: int) -> dict[str, Array]:
    """Return weights, fitted with AdamW (Loshchilov & Hutter 2019) and one cycle of the rate (Smith 2018)."""
    draw, key = np.random.default_rng(SEED), jax.random.PRNGKey(SEED)
    weights = initial(key, labels)
    steps = EPOCHS * -(-len(examples) // BATCH)
    rule = optax.chain(
        optax.clip_by_global_norm(1.0), optax.adamw(optax.cosine_onecycle_schedule(steps, RATE), weight_decay=DECAY)
    )
    state = rule.init(weights)

    @jax.jit
    def step(weights: Any, state: Any, batch: Example, key: Array) -> tuple[Any, Any, Array]:
        value, slope = jax.value_and_grad(loss)(weights, batch, key)
        change, state = rule.update(slope, state, weights)
        return optax.apply_updates(weights, change), state, value

    number = 0
    for epoch in range(EPOCHS):
        lost = []
        for batch in batched(examples, draw):
            number += 1
            weights, state, value = step(weights, state, batch, jax.random.fold_in(key, number))
            lost.append(float(value))
        print(f"epoch {epoch + 1} of {EPOCHS}: loss {np.mean(lost):.3f}", flush=True)
    return {name: np.asarray(value) for name, value in weights.items()}


def judged(found: Iterator[tuple[Example, Scores]], predicates: list[str], least: float) -> tuple[float, float]:
    """Return precision and recall of whole marks: place, predicate, state, and whether it is another's."""
    counts: Counter[str] = Counter()
    for each, scores in found:
        made = {
            (m.start, m.end, m.predicate, m.state, m.subject is not None)
            for m in marks(each["text"], each["spans"], scores, predicates, least=least)
        }
        due = {
            (m.start, m.end, m.predicate, m.state, m.subject is not None)
            for m in marks(each["text"], each["spans"], certain(each, len(predicates)), predicates)
        }
        counts.update(right=len(made & due), made=len(made), due=len(due))
    return counts["right"] / max(counts["made"], 1), counts["right"] / max(counts["due"], 1)


def certain(each: Example, predicates: int) -> Scores:
    """Return scores that say what the labels say."""
    sizes = {"values": 1 + 2 * predicates, "states": 3, "others": 2, "subjects": 3}
    return Scores(*(50.0 * np.eye(size, dtype=np.float32)[np.maximum(each[name], 0)] for name, size in sizes.items()))


def graph(p: dict[str, Array], predicates: list[str]) -> onnx.ModelProto:
    """Return the trained tagger as an ONNX graph: words (n, INPUT), distances (n, n) → Scores."""
    g = Graph()

    def linear(x: str, name: str) -> str:
        values, scale = quantise(p[name], 0, 63)
        zero = g.constant(f"{name}.zero", np.zeros(values.shape[1], np.int8))
        inputs = [
            x,
            g.constant(name, values),
            g.constant(f"{name}.scale", scale[0]),
            zero,
            g.constant(f"{name}.b", p[f"{name}.b"]),
        ]
        return g.op("DynamicQuantizeMatMul", inputs, domain=MICROSOFT)

    def norm(x: str, name: str) -> str:
        mean = g.op("ReduceMean", [g.op("Mul", [x, x])], axes=[-1], keepdims=1)
        root = g.op("Sqrt", [g.op("Add", [mean, g.constant("tiny", np.float32(1e-6))])])
        return g.op("Mul", [g.op("Div", [x, root]), g.constant(f"{name}.g", p[f"{name}.g"])])

    def gelu(x: str) -> str:
        erf = g.op("Erf", [g.op("Mul", [x, g.constant("root.half", np.float32(math.sqrt(0.5)))])])
        return g.op(
            "Mul",
            [
                g.op("Mul", [x, g.constant("half", np.float32(0.5))]),
                g.op("Add", [erf, g.constant("one", np.float32(1))]),
            ],
        )

    x = linear("words", "in")
    thirds = g.op("Split", [linear(norm(x, "1"), "qkv"), g.constant("thirds", [WIDTH] * 3)], 3, axis=-1)
    heads = g.constant("heads", [0, HEADS, WIDTH // HEADS])
    q, k, v = (
        g.op("Transpose", [g.op("Reshape", [part, heads])], perm=order)
        for part, order in zip(thirds, ([1, 0, 2], [1, 2, 0], [1, 0, 2]), strict=True)
    )
    scaled = g.op("Div", [g.op("MatMul", [q, k]), g.constant("root", np.float32(math.sqrt(WIDTH // HEADS)))])
    bias = g.op("Gather", [g.constant("distance", p["distance"]), "distances"], axis=1)
    share = g.op("Softmax", [g.op("Add", [scaled, bias])], axis=-1)
    mixed = g.op(
        "Reshape", [g.op("Transpose", [g.op("MatMul", [share, v])], perm=[1, 0, 2]), g.constant("width", [0, WIDTH])]
    )
    x = g.op("Add", [x, linear(mixed, "o")])
    x = g.op("Add", [x, linear(gelu(linear(norm(x, "2"), "up")), "down")])
    around = g.op("Pad", [x, g.constant("around", [1, 0, 1, 0])])
    row = g.constant("row", [0])
    parts = [
        g.op(
            "Slice",
            [around, g.constant(f"from.{at}", [at]), g.constant(f"to.{at}", [at - 2 if at < 2 else 2**62]), row],
        )
        for at in range(3)
    ]
    x = g.op("Add", [x, gelu(linear(g.op("Concat", parts, axis=1), "near"))])
    sizes = {"values": 1 + 2 * len(predicates), "states": 3, "others": 2, "subjects": 3}
    logits = linear(norm(x, "3"), "out")
    g.nodes.append(helper.make_node("Split", [logits, g.constant("sizes", list(sizes.values()))], list(sizes), axis=-1))
    value = helper.make_tensor_value_info
    made = helper.make_graph(
        g.nodes,
        "tagger",
        [
            value("words", TensorProto.FLOAT, ["words", INPUT]),
            value("distances", TensorProto.INT64, ["words", "words"]),
        ],
        [value(name, TensorProto.FLOAT, ["words", size]) for name, size in sizes.items()],
        list(g.constants.values()),
    )
    domains = [helper.make_opsetid("", 17), helper.make_opsetid(MICROSOFT, 1)]
    model = helper.make_model(made, opset_imports=domains, producer_name="agentmem models/train.py", ir_version=8)
    helper.set_model_props(model, {"predicates": "|".join(predicates)})
    onnx.checker.check_model(model)
    return model


def ours(weights: dict[str, Array], examples: list[Example]) -> Iterator[tuple[Example, Scores]]:
    run = jax.jit(forward)
    for each in examples:
        batch = padded([each], 1)
        logits = np.asarray(run(weights, batch["words"], batch["there"]))[0, : len(each["spans"])]
        yield each, split(logits)


def theirs(model: bytes, examples: list[Example]) -> Iterator[tuple[Example, Scores]]:
    import onnxruntime

    session = onnxruntime.InferenceSession(model)
    for each in examples:
        read = {"words": each["words"].astype(np.float32), "distances": distances(len(each["spans"]))}
        yield each, Scores(*session.run(None, read))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    sentences = read(sorted(FOLDER.glob("[0-9]*.txt")))
    predicates = sorted({value.predicate for sentence in sentences for value in sentence.values})
    encoder = MiniLM()
    sentences += plain(by_predicate(sentences))
    all_of_them = sentences + [made for seed in range(VARIANTS) for made in varied(sentences, seed)]
    examples = [example(encoder, sentence, predicates) for sentence in all_of_them]
    judges = [example(encoder, sentence, predicates) for sentence in read([FOLDER / "dev.txt"])]
    print(f"{len(sentences)} sentences, {len(predicates)} predicates", flush=True)
    weights = train(examples, 1 + 2 * len(predicates))
    model = graph(weights, predicates).SerializeToString(deterministic=True)
    for name, found in (("float32", list(ours(weights, judges))), ("int8", list(theirs(model, judges)))):
        for least in (0.0, 0.5, 0.7, 0.9):
            print(
                f"{name}, dev, marks from {least}: precision {{:.3f}}, recall {{:.3f}}".format(
                    *judged(iter(found), predicates, least)
                )
            )
    (arguments.out / "tagger-int8.onnx").write_bytes(model)
    print(f"{hashlib.sha256(model).hexdigest()}  tagger-int8.onnx  {len(model)}")


if __name__ == "__main__":
    main()
