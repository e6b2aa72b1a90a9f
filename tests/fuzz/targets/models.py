"""Source models and IRs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from mixnet_tools.accuracy.datasets.forms.tfrecord import _masked_crc32c
from mixnet_tools.errors import MixnetToolsError
from mixnet_tools.files.digest import digest_of
from tests.fuzz.containers import table, table_changes
from tests.fuzz.mutation import json_changes, message_of, protobuf_changes, varint, xml_changes
from tests.fuzz.target import Files, Finding, Place, Target, command
from tests.support.downloads import file_entry, sha384
from tests.support.zoo_builder import descriptor_data

SIDE = 4
_FLOAT, _STRING = 1, 7


def _model(kind: str, framework: str, files: Mapping[str, bytes]) -> Files:
    """The source model ``files``, and a zoo with its descriptor."""
    data = descriptor_data(
        files=[],
        postprocessing=None,
        framework=framework,
        input_info=[{"name": "images", "shape": [1, SIDE, SIDE, 3], "layout": "NHWC"}],
        model_optimizer_args=[kind, "--output=logits"],
    )
    descriptor = {"zoo/public/net/model.yml": json.dumps(data).encode()}
    return {**descriptor, **{f"files/public/net/{name}": body for name, body in files.items()}}


def _graph(variable: bool) -> Any:
    """images -> Reshape -> MatMul -> logits."""
    from tensorboard.compat.proto.graph_pb2 import GraphDef

    graph = GraphDef()
    graph.versions.producer = 1882
    image = graph.node.add(name="images", op="Placeholder")
    image.attr["dtype"].type = _FLOAT
    for size in (-1, SIDE, SIDE, 3):
        image.attr["shape"].shape.dim.add().size = size
    _constant(graph, "shape", np.array([-1, 3 * SIDE * SIDE], np.int32))
    flat = graph.node.add(name="flat", op="Reshape", input=["images", "shape"])
    flat.attr["T"].type, flat.attr["Tshape"].type = _FLOAT, 3
    kernel = np.linspace(-1, 1, 3 * SIDE * SIDE * 5, dtype=np.float32).reshape(-1, 5)
    if variable:
        node = graph.node.add(name="kernel", op="VariableV2")
        node.attr["dtype"].type = _FLOAT
        for size in kernel.shape:
            node.attr["shape"].shape.dim.add().size = size
        read = graph.node.add(name="kernel/read", op="Identity", input=["kernel"])
        read.attr["T"].type = _FLOAT
    else:
        _constant(graph, "kernel/read", kernel)
    product = graph.node.add(name="product", op="MatMul", input=["flat", "kernel/read"])
    product.attr["T"].type = _FLOAT
    answer = graph.node.add(name="logits", op="Identity", input=["product"])
    answer.attr["T"].type = _FLOAT
    return graph


def _constant(graph: Any, name: str, value: Any) -> None:
    from mixnet_tools.conversion.graphs.variables import as_proto

    node = graph.node.add(name=name, op="Const")
    proto = as_proto(value, graph)
    node.attr["dtype"].type = proto.dtype
    node.attr["value"].tensor.CopyFrom(proto)


@cache
def _frozen() -> tuple[Files, ...]:
    return (
        _model("--input_model=$dl_dir/net.pb", "tf", {"net.pb": _graph(False).SerializeToString(deterministic=True)}),
    )


@cache
def _frozen_text() -> tuple[Files, ...]:
    return (_model("--input_model=$dl_dir/net.pbtxt", "tf", {"net.pbtxt": str(_graph(False)).encode()}),)


@cache
def _checkpoint() -> tuple[Files, ...]:
    from tensorboard.compat.proto.meta_graph_pb2 import MetaGraphDef

    from mixnet_tools.conversion.graphs.saver import add_saver

    kernel = np.linspace(-1, 1, 3 * SIDE * SIDE * 5, dtype=np.float32)
    shape = message_of([(2, 2, message_of([(1, 0, size)])) for size in (3 * SIDE * SIDE, 5)])
    checksum = (6, 5, _masked_crc32c(kernel.tobytes()))
    entry, average = (
        message_of([(1, 0, _FLOAT), (2, 2, shape), (4, 0, place), (5, 0, kernel.nbytes), checksum])
        for place in (0, kernel.nbytes)
    )
    pairs = [(b"", message_of([(1, 0, 1), (3, 2, b"\x08\x01")])), (b"kernel", entry)]
    pairs.append((b"kernel/ExponentialMovingAverage", average))
    parts = {"net.index": table(pairs), "net.data-00000-of-00001": kernel.tobytes() * 2}
    seeds = []
    for with_saver in (False, True):
        meta = MetaGraphDef()
        meta.graph_def.CopyFrom(_graph(True))
        if with_saver:
            graph, saver = add_saver(meta.graph_def, {"kernel": "kernel"})
            meta.graph_def.CopyFrom(graph)
            meta.saver_def.restore_op_name = saver.operation
            meta.saver_def.filename_tensor_name = saver.filename_tensor
        files = {"net.meta": meta.SerializeToString(deterministic=True), **parts}
        seeds.append(_model("--input_meta_graph=$dl_dir/net.meta", "tf", files))
    return tuple(seeds)


@cache
def _saved_model() -> tuple[Files, ...]:
    from tensorboard.compat.proto.meta_graph_pb2 import MetaGraphDef

    meta = MetaGraphDef()
    meta.meta_info_def.tags.append("serve")
    meta.graph_def.CopyFrom(_graph(False))
    signature = meta.signature_def["serving_default"]
    signature.method_name = "tensorflow/serving/predict"
    for ports, name, sizes in (
        (signature.inputs, "images", (-1, SIDE, SIDE, 3)),
        (signature.outputs, "logits", (-1, 5)),
    ):
        ports[name].name, ports[name].dtype = f"{name}:0", _FLOAT
        for size in sizes:
            ports[name].tensor_shape.dim.add().size = size
    body = meta.SerializeToString(deterministic=True)
    packed = b"\x08\x01\x12" + varint(len(body)) + body
    return (_model("--saved_model_dir=$dl_dir/saved", "tf", {"saved/saved_model.pb": packed}),)


@cache
def _onnx() -> tuple[Files, ...]:
    from onnx import TensorProto, helper, numpy_helper

    kernel = np.linspace(-1, 1, 3 * SIDE * SIDE * 5, dtype=np.float32).reshape(-1, 5)
    weight = numpy_helper.from_array(kernel, "kernel")
    others = {
        "filter": np.ones((3, 3, 3, 3), np.float32),
        **{name: np.array(values, np.int64) for name, values in (("from", [0]), ("to", [SIDE]), ("axes", [2]))},
        "shape": np.array([1, -1], np.int64),
        "true": np.array(True),
    }
    constants = [numpy_helper.from_array(array, name) for name, array in others.items()]
    value, node = helper.make_tensor_value_info, helper.make_node

    def branch(name: str, operation: str) -> Any:
        result = value(f"{name}/out", TensorProto.FLOAT, [1, 3, SIDE, SIDE])
        return helper.make_graph([node(operation, ["sliced"], [f"{name}/out"])], name, [], [result])

    nodes = [
        node("Transpose", ["images"], ["planes"], perm=[0, 3, 1, 2]),
        node("Conv", ["planes", "filter"], ["convolved"], pads=[1, 1, 1, 1], kernel_shape=[3, 3]),
        node("Slice", ["convolved", "from", "to", "axes"], ["sliced"]),
        node("If", ["true"], ["chosen"], then_branch=branch("then", "Relu"), else_branch=branch("else", "Neg")),
        node("Reshape", ["chosen", "shape"], ["flat"]),
        node("MatMul", ["flat", "kernel"], ["logits"]),
    ]
    image, answer = value("images", TensorProto.FLOAT, [1, SIDE, SIDE, 3]), value("logits", TensorProto.FLOAT, [1, 5])
    seeds = []
    for external in (False, True):
        files = {}
        if external:
            files["weights.bin"] = kernel.tobytes()
            weight.ClearField("raw_data")
            weight.data_location = TensorProto.EXTERNAL
            for key, text in (("location", "weights.bin"), ("offset", "0"), ("length", str(kernel.nbytes))):
                weight.external_data.add(key=key, value=text)
        graph = helper.make_graph(nodes, "net", [image], [answer], [weight, *constants])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        files["net.onnx"] = model.SerializeToString(deterministic=True)
        seeds.append(_model("--input_model=$dl_dir/net.onnx", "onnx", files))
    return tuple(seeds)


@cache
def _verified() -> tuple[Files, ...]:
    """A source model whose digest stands in the descriptor."""
    (files,) = _frozen()
    (path,) = (name for name in files if name.endswith("net.pb"))
    descriptor = json.loads(files["zoo/public/net/model.yml"])
    descriptor["files"] = [file_entry("net.pb", files[path], "https://127.0.0.1:1/net.pb")]
    return ({**files, "zoo/public/net/model.yml": json.dumps(descriptor).encode()},)


def _convert_verified(place: Place) -> None:
    _convert(place)
    descriptor = json.loads((place.given / "zoo/public/net/model.yml").read_bytes())
    if sha384((place.given / "files/public/net/net.pb").read_bytes()) != descriptor["files"][0]["checksum"]:
        raise Finding("a file that is not the verified one was converted")


def _convert(place: Place) -> None:
    folder = place.given / "files/public/net"
    code, _ = command(
        "convert", "--models_dir", place.given / "zoo", "--all", "-d", place.given / "files", "-o", place.out,
        "--no_verify", "--precisions", "FP32", "-q",
    )  # fmt: skip
    if code == 0 and not (place.out / "public/net/FP32/net.xml").is_file():
        raise Finding("exit code 0, and no IR", " ".join(map(str, folder.iterdir())))


def _prove(place: Place) -> None:
    """With the proof: the original runs in its child process."""
    command(
        "convert", "--models_dir", place.given / "zoo", "--all", "-d", place.given / "files", "-o", place.out,
        "--precisions", "FP32", "-q",
    )  # fmt: skip


@cache
def _ir() -> tuple[Files, ...]:
    import tempfile

    import openvino
    from openvino import opset13 as ops

    image = ops.parameter([1, SIDE, SIDE, 3], np.float32, name="image")
    planes = ops.transpose(image, ops.constant(np.array([0, 3, 1, 2])))
    kernel = np.linspace(-1, 1, 4 * 3 * 9, dtype=np.float32).reshape(4, 3, 3, 3)
    layer = ops.convolution(planes, ops.constant(kernel), [1, 1], [1, 1], [1, 1], [1, 1])
    layer = ops.relu(ops.add(layer, ops.constant(np.ones((1, 4, 1, 1), np.float32))))
    layer = ops.reduce_mean(layer, ops.constant(np.array([2, 3])))
    matrix = np.linspace(-1, 1, 20, dtype=np.float32).reshape(4, 5)
    model = openvino.Model([ops.matmul(layer, ops.constant(matrix), False, False)], [image], "net")
    model.get_parameters()[0].set_layout(openvino.Layout("NHWC"))
    model.set_rt_info("a b c d e", ["model_info", "labels"])
    seeds = []
    with tempfile.TemporaryDirectory() as folder:
        for saved, half in ((model, False), (model, True), (_many_operations(), False)):
            for number, operation in enumerate(saved.get_ordered_ops()):  # OpenVINO's own names depend on the process
                operation.set_friendly_name(f"{operation.get_type_name()}_{number}")
            xml = Path(folder) / "net.xml"
            openvino.save_model(saved, xml, compress_to_fp16=half)
            seeds.append({"net.xml": xml.read_bytes(), "net.bin": xml.with_suffix(".bin").read_bytes()})
    return tuple(seeds)


def _many_operations() -> Any:
    """A model of operations whose shapes and places are constants: damaged weights then mean other memory."""
    import openvino
    from openvino import opset13 as ops

    def whole(*values: int) -> Any:
        return ops.constant(np.array(values, np.int64))

    image = ops.parameter([1, SIDE, SIDE, 3], np.float32, name="image")
    node = ops.strided_slice(image, whole(0, 1, 0, 0), whole(1, 4, 4, 3), whole(1, 1, 1, 1), [0] * 4, [0] * 4)
    node = ops.pad(node, whole(0, 1, 0, 0), whole(0, 0, 1, 0), "constant", ops.constant(np.float32(1)))
    node = ops.gather(node, whole(0, 2, 1), ops.constant(np.int64(3)))
    node = ops.interpolate(node, whole(6, 6), "linear", "sizes", axes=whole(1, 2))
    node = ops.max_pool(ops.transpose(node, whole(0, 3, 1, 2)), [2, 2], [1, 1], [0, 0], [0, 0], [2, 2]).output(0)
    kernel = ops.constant(np.linspace(-1, 1, 3 * 2 * 4, dtype=np.float32).reshape(3, 2, 1, 2, 2))
    node = ops.group_convolution(node, kernel, [2, 2], [0, 0], [0, 0], [1, 1])
    parts = ops.variadic_split(node, ops.constant(np.int64(1)), whole(2, 4))
    node = ops.concat([parts.output(1), parts.output(0)], 1)
    low, high = (ops.constant(np.float32(value)) for value in (-4, 4))
    node = ops.fake_quantize(node, low, high, low, high, 256)
    node = ops.reshape(node, whole(1, 6, -1), False)
    node = ops.tile(ops.reduce_max(node, whole(2)), whole(1, 2))
    best = ops.topk(node, ops.constant(np.int64(5)), 1, "max", "value")
    places, values = np.array([[0, 1]], np.int64), np.array([[1.0, 2.0]], np.float32)
    changed = ops.scatter_elements_update(best.output(0), ops.constant(places), ops.constant(values), whole(1))
    return openvino.Model([ops.softmax(changed, 1)], [image], "many")


@cache
def _reported_ir() -> tuple[Files, ...]:
    """An IR with a report that has its digests."""
    files = _ir()[0]
    report = {
        "ir": {
            name: {"size": len(body), "digest": f"sha256:{hashlib.sha256(body).hexdigest()}"}
            for name, body in files.items()
        }
    }
    text = json.dumps(report).encode()
    return ({**files, "conversion.json": text, "true": text},)


def _check_report(place: Place) -> None:
    from mixnet_tools.ir.digests import check
    from mixnet_tools.values import IRModel

    integrity, message = check(IRModel("net", "FP32", place.given / "net.xml", place.given / "net.bin"))
    true = json.loads((place.given / "true").read_bytes())["ir"]
    changed = any(f"sha256:{digest_of(place.given / name)}" != one["digest"] for name, one in true.items())
    if changed and integrity == "unchanged":
        raise Finding("a changed IR was called unchanged")
    if (message is None) == (integrity == "changed"):
        raise Finding("a change without a message, or a message without a change")


def _describe_ir(place: Place) -> None:
    _, out = command("info", "--ir", place.given / "net.xml", "--json")
    json.loads(out)


def _run_ir(place: Place) -> None:
    """As mixnet-check runs an IR, over one image."""
    from mixnet_tools.accuracy.launchers.openvino import OpenVinoRunner
    from mixnet_tools.values import IRModel

    xml = place.given / "net.xml"
    runner = OpenVinoRunner(IRModel("net", "FP32", xml, xml.with_suffix(".bin")), threads=1)
    answer = runner.run(np.zeros((1, *_picture(runner)), np.uint8))
    if answer.shape[0] != 1:
        raise Finding("an answer of another number of images")


def _picture(runner: Any) -> tuple[int, int, int]:
    info = runner.info
    height, width = info.height, info.width
    if height * width > 1 << 22:
        raise MixnetToolsError("a large picture")
    return height, width, 3


TARGETS = (
    Target("frozen graph .pb", _frozen, {"files/*.pb": protobuf_changes}, _convert, examples=30, memory=1 << 30),
    Target("frozen graph .pbtxt", _frozen_text, {"files/*.pbtxt": None}, _convert, examples=20, memory=1 << 30),
    Target(
        "checkpoint",
        _checkpoint,
        {"files/*.meta": protobuf_changes, "files/*.index": table_changes, "files/*.data*": None},
        _convert,
        examples=40,
        memory=1 << 30,
    ),
    Target("SavedModel", _saved_model, {"files/*.pb": protobuf_changes}, _convert, examples=30, memory=1 << 30),
    Target(
        "ONNX", _onnx, {"files/*.onnx": protobuf_changes, "files/*.bin": None}, _convert, examples=30, memory=1 << 30
    ),
    Target(
        "verified source",
        _verified,
        {"files/*.pb": protobuf_changes},
        _convert_verified,
        examples=20,
        memory=1 << 30,
    ),
    Target(
        "proof by the original",
        lambda: (*_frozen(), *_checkpoint(), *_saved_model(), *_onnx()),
        {"files/*.pb": protobuf_changes, "files/*.meta": protobuf_changes, "files/*.onnx": protobuf_changes},
        _prove,
        examples=2,
        memory=1 << 30,
        starts_processes=True,
    ),
    Target("IR, described", _ir, {"*.xml": xml_changes, "*.bin": None}, _describe_ir, examples=100, memory=1 << 30),
    Target(
        "IR, its report",
        _reported_ir,
        {"*.json": json_changes, "*.xml": xml_changes, "*.bin": None},
        _check_report,
        examples=60,
    ),
    Target(
        "IR, run",
        _ir,
        {"*.xml": xml_changes, "*.bin": None},
        _run_ir,
        examples=40,
        memory=2 << 30,
        seconds=20,
        not_promised=("hangs", "slow", "more than", "the process died"),
    ),
)
