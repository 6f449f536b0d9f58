"""Claims about tools/checkpoints/onnx_to_safetensors, on graphs of one block with timm's names."""
import json
import math
import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load_file

TOOLS = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TOOLS))
import plain_vit

loader = SourceFileLoader("onnx_to_safetensors", str(TOOLS / "onnx_to_safetensors"))
tool = module_from_spec(spec_from_loader("onnx_to_safetensors", loader))
loader.exec_module(tool)

LIBRARIES = TOOLS.parents[1] / "Tests/E3Goldens/Libraries"
WIDTH, HEADS, CLASSES = 8, 2, 3


def weights():
    draw = np.random.RandomState(3)
    shapes = {
        "cls_token": (1, 1, WIDTH), "pos_embed": (1, 5, WIDTH), "patch_embed.proj.weight": (WIDTH, 3, 4, 4),
        "patch_embed.proj.bias": (WIDTH,), "blocks.0.norm1.weight": (WIDTH,), "blocks.0.norm1.bias": (WIDTH,),
        "blocks.0.attn.qkv.weight": (3 * WIDTH, WIDTH), "blocks.0.attn.qkv.bias": (3 * WIDTH,),
        "blocks.0.attn.proj.weight": (WIDTH, WIDTH), "blocks.0.attn.proj.bias": (WIDTH,), "blocks.0.norm2.weight": (WIDTH,),
        "blocks.0.norm2.bias": (WIDTH,), "blocks.0.mlp.fc1.weight": (16, WIDTH), "blocks.0.mlp.fc1.bias": (16,),
        "blocks.0.mlp.fc2.weight": (WIDTH, 16), "blocks.0.mlp.fc2.bias": (WIDTH,), "norm.weight": (WIDTH,), "norm.bias": (WIDTH,),
        "head.weight": (CLASSES, WIDTH), "head.bias": (CLASSES,),
    }
    return {name: (draw.randn(*shape) * 0.5).astype(np.float32) for name, shape in shapes.items()}


class Writer:
    """Nodes and tensors of a graph as PyTorch's first exporter writes them."""

    def __init__(self, tensors):
        self.tensors, self.nodes, self.stored = tensors, [], {}

    def add(self, kind, inputs, path="", domain="", **attributes):
        output = f"v{len(self.nodes)}"
        for name in inputs:
            if name in self.tensors:
                self.stored[name] = self.tensors[name]
        scope = f"/{path.replace('.', '/')}".rstrip("/")
        self.nodes.append(helper.make_node(kind, inputs, [output], f"{scope}/{kind}", domain=domain, **attributes))
        return output

    def constant(self, values, name=None):
        name = name or f"val_{len(self.stored)}"
        self.stored[name] = np.asarray(values)
        return name

    def linear(self, x, path):
        matrix = self.constant(self.tensors[f"{path}.weight"].T, f"onnx::MatMul_{len(self.stored)}")
        x = self.add("MatMul", [x, matrix], path)
        return self.add("Add", [f"{path}.bias", x], path) if f"{path}.bias" in self.tensors else x

    def norm(self, x, path, shared=None):
        return self.add("LayerNormalization", [x, f"{shared or path}.weight", f"{shared or path}.bias"], path, epsilon=1e-6)

    def reshape(self, x, *shape):
        return self.add("Reshape", [x, self.constant(np.array(shape, np.int64))])

    def save(self, path, output, shape, image):
        graph = helper.make_graph(
            self.nodes, "model", [helper.make_tensor_value_info("image", TensorProto.FLOAT, image)],
            [helper.make_tensor_value_info(output, TensorProto.FLOAT, shape)],
            [numpy_helper.from_array(value, name) for name, value in self.stored.items()])
        opsets = [helper.make_opsetid("", 20), helper.make_opsetid("com.microsoft", 1)]
        onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9), path)


def write(path, tensors, before=None, class_token="cls_token", pool="token", scale=None, norms=None, behind=None, gelu="",
          image=(1, 3, 8, 8)):
    """A vision transformer of one block; what the arguments say is another than timm's."""
    made = Writer(tensors)
    x = before(made) if before else "image"
    x = made.add("Conv", [x, "patch_embed.proj.weight", "patch_embed.proj.bias"], "patch_embed.proj", strides=[4, 4])
    x = made.add("Transpose", [made.reshape(x, 1, WIDTH, 4)], perm=[0, 2, 1])
    if class_token != "cls_token":
        made.constant(tensors["cls_token"], class_token)
    x = made.add("Add", [made.add("Concat", [class_token, x], axis=1), "pos_embed"])
    row = made.linear(made.norm(x, "blocks.0.norm1"), "blocks.0.attn.qkv")
    q, k, v = (made.add("Gather", [made.reshape(row, 1, 5, 3, HEADS, WIDTH // HEADS), made.constant(np.array(i))], axis=2)
               for i in range(3))
    q, k, v = (made.add("Transpose", [part], perm=order) for part, order in
               ((q, [0, 2, 1, 3]), (k, [0, 2, 3, 1]), (v, [0, 2, 1, 3])))
    scores = made.add("Mul", [made.add("MatMul", [q, k]), made.constant(np.float32(scale or (WIDTH // HEADS) ** -0.5))])
    mixed = made.add("Transpose", [made.add("MatMul", [made.add("Softmax", [scores], axis=-1), v])], perm=[0, 2, 1, 3])
    x = made.add("Add", [x, made.linear(made.reshape(mixed, 1, 5, WIDTH), "blocks.0.attn.proj")])
    row = made.linear(made.norm(x, "blocks.0.norm2", norms), "blocks.0.mlp.fc1")
    row = made.add("BiasGelu", [row, "blocks.0.mlp.fc1.bias"], domain=gelu) if gelu else made.add("Gelu", [row])
    x = made.norm(made.add("Add", [x, made.linear(row, "blocks.0.mlp.fc2")]), "norm")
    if pool == "features":
        return made.save(path, x, [1, 5, WIDTH], image)
    if pool == "mean":
        x = made.add("Slice", [x, *(made.constant(np.array([i])) for i in (1, 5, 1))])
        x = made.add("ReduceMean", [x, made.constant(np.array([1]))], keepdims=0)
    else:
        x = made.add("Gather", [x, made.constant(np.array(0))], axis=1)
    x = made.add("Gemm", [x, "head.weight", "head.bias"], "head", transB=1)
    made.save(path, behind(made, x) if behind else x, [1, None], image)


@pytest.fixture
def convert(tmp_path, monkeypatch):
    """The outcome of converting a graph that `write` makes of `tensors` and `changes`: tensors and configuration, or the error."""

    def run(tensors, *options, **changes):
        write(tmp_path / "model.onnx", tensors, **changes)
        return outcome(tmp_path, monkeypatch, *options)

    return run


def outcome(folder, monkeypatch, *options):
    graph, output = folder / "model.onnx", folder / "model.safetensors"
    output.unlink(missing_ok=True)
    output.with_suffix(".json").unlink(missing_ok=True)
    monkeypatch.setattr(sys, "argv", ["onnx_to_safetensors", str(graph), str(output), *options])
    try:
        tool.main()
    except SystemExit as error:
        assert len(error.code.splitlines()) == 1 and not output.exists() and not output.with_suffix(".json").exists()
        return error.code
    return load_file(output), json.loads(output.with_suffix(".json").read_text())


def same(found, expected):
    assert sorted(found) == sorted(expected)
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)


def test_a_plain_graph_has_all_tensors_and_its_configuration(convert):
    tensors, config = convert(weights())
    same(tensors, weights())
    assert config == {"activation": "gelu", "layer_norm_epsilon": pytest.approx(1e-6), "encoder": {"num_heads": HEADS},
                      "image_size": [8, 8], "classifier": "token"}


def test_a_class_token_that_the_exporter_computed_is_found_by_where_it_enters(convert):
    tensors, _ = convert(weights(), class_token="expand")
    same(tensors, weights())


def test_a_head_on_the_mean_of_the_patches_is_written_so(convert):
    _, config = convert(weights(), pool="mean")
    assert (config["classifier"], config["final_norm"]) == ("patch_mean", "before_pooling")


def test_layers_without_bias_and_shared_tensors_have_the_names_of_their_modules(convert):
    given = weights()
    del given["blocks.0.attn.qkv.bias"]
    given["blocks.0.norm2.weight"], given["blocks.0.norm2.bias"] = given["blocks.0.norm1.weight"], given["blocks.0.norm1.bias"]
    tensors, _ = convert(given, norms="blocks.0.norm1")
    same(tensors, given | {"blocks.0.attn.qkv.bias": np.zeros(3 * WIDTH, np.float32)})


def test_features_are_compared_behind_the_last_norm(convert):
    tensors, config = convert(weights(), "--features", pool="features")
    assert config["classifier"] == "token" and (tensors["head.weight"] == np.eye(WIDTH)).all()


def test_without_a_head_the_option_for_it_is_named(convert):
    assert "no weights of head in the graph: --features" in convert(weights(), pool="features")


def test_a_normalisation_in_the_graph_is_refused(convert):
    def normalise(made):
        x = made.add("Sub", ["image", made.constant(np.full((1, 3, 1, 1), 0.45, np.float32), "mean")])
        return made.add("Div", [x, made.constant(np.full((1, 3, 1, 1), 0.22, np.float32), "std")])

    assert "changes its input before the patches (Sub, Div): export the model without that, and give pack --value-norm" in convert(
        weights(), before=normalise)


def test_images_whose_channels_come_last_are_refused(convert):
    assert "changes its input before the patches (Transpose): export the model without that" in convert(
        weights(), before=lambda made: made.add("Transpose", ["image"], perm=[0, 3, 1, 2]), image=[1, 8, 8, 3])


def test_operations_behind_the_head_are_refused(convert):
    assert "goes on behind its head (Div)" in convert(
        weights(), behind=lambda made, x: made.add("Div", [x, made.constant(np.float32(4))]))


def limited(made, x):
    return made.add("Clip", [x, made.constant(np.float32(-1e9)), made.constant(np.float32(1e9))])


def test_what_noise_may_not_meet_is_refused_wherever_it_stands(convert):
    assert "changes its input before the patches (Clip)" in convert(weights(), before=lambda made: limited(made, "image"))
    assert "operations that no plain vision transformer has (Clip)" in convert(weights(), behind=limited)


def test_a_class_whose_bias_shuts_it_out_does_not_widen_what_others_may_differ(convert):
    given = weights()
    given["head.bias"][0] = -1e9
    assert convert(given, pool="mean")[1]["classifier"] == "patch_mean"
    assert "something else" in convert(given, scale=0.3)


def test_each_class_is_compared_with_its_own_deviation(convert):
    given = weights()
    given["head.weight"][0] *= 1e5
    assert convert(given, pool="mean")[1]["classifier"] == "patch_mean"
    assert "behind its head (Mul)" in convert(given, behind=lambda made, x: made.add(
        "Mul", [x, made.constant(np.array([1, 1, 1.1], np.float32))]))


def test_weights_that_are_not_finite_are_named(convert):
    given = weights()
    given["norm.weight"][1] = np.nan
    assert "norm.weight: has values that are not finite" in convert(given)


def test_an_image_size_that_is_open_is_left_to_pack(convert, capsys):
    _, config = convert(weights(), image=[1, 3, "height", "width"])
    assert "image_size" not in config and "leaves the image size open: compared with 8x8" in capsys.readouterr().err


def test_files_that_are_not_the_scripts_own_are_left_alone(convert, tmp_path, monkeypatch):
    own, graph = tmp_path / "model.json", tmp_path / "model.onnx"
    convert(weights())
    own.write_text('{"mine": 1}')
    monkeypatch.setattr(sys, "argv", ["onnx_to_safetensors", str(graph), str(tmp_path / "model.safetensors")])
    with pytest.raises(SystemExit, match="model.json: exists and is none of this script's"):
        tool.main()
    assert own.read_text() == '{"mine": 1}'
    graph.rename(tmp_path / "graph.safetensors")
    monkeypatch.setattr(sys, "argv", ["onnx_to_safetensors", *[str(tmp_path / "graph.safetensors")] * 2])
    with pytest.raises(SystemExit, match="is the graph itself"):
        tool.main()


def test_a_graph_that_cannot_be_understood_is_one_line(convert):
    assert "two nodes make v" in convert(weights(), behind=twice)
    assert "is not understood (IndexError" in convert(weights(), behind=lambda made, x: made.add("Constant", []))


def twice(made, x):
    made.nodes.append(helper.make_node("Identity", [x], [x]))
    return x


def test_a_softmax_at_the_end_is_taken(convert):
    tensors, _ = convert(weights(), behind=lambda made, x: made.add("Softmax", [x], axis=-1))
    same(tensors, weights())


def test_another_attention_is_refused_with_figures(convert):
    assert "something else than the vision transformer of its weights with 2 heads: v" in convert(weights(), scale=0.3)


def test_optimised_and_quantised_graphs_are_named(convert):
    assert "an optimised graph (com.microsoft.BiasGelu): give the file as it was exported" in convert(
        weights(), gelu="com.microsoft")
    assert "a quantised graph (DynamicQuantizeLinear)" in convert(
        weights(), behind=lambda made, x: made.add("DynamicQuantizeLinear", [x]))


def test_weights_beside_the_file_that_are_missing_are_said(tmp_path, monkeypatch):
    write(tmp_path / "whole.onnx", weights())
    onnx.save(onnx.load(tmp_path / "whole.onnx"), tmp_path / "model.onnx", save_as_external_data=True, location="model.data",
              size_threshold=0)
    (tmp_path / "model.data").unlink()
    assert "model.data" in outcome(tmp_path, monkeypatch)


def test_the_error_function_is_that_of_the_library():
    x = np.linspace(-5, 5, 2001, dtype=np.float32)
    assert np.abs(plain_vit.erf(x) - [math.erf(value) for value in x]).max() < 5e-7


@pytest.mark.parametrize("path", sorted(LIBRARIES.glob("*_*/model.safetensors")), ids=lambda path: path.parent.name)
def test_the_forward_pass_is_that_of_the_library(path):
    """The libraries' own logits of the models that the Swift tests have."""
    given = json.loads((path.parent / "config.json").read_text())
    given |= given.get("model_args", {})
    model = plain_vit.Model(load_file(path))
    heads = given.get("num_attention_heads") or given.get("num_heads")
    # Of these architectures of timm one has the tanh form.
    has_tanh = path.parent.name == "timm_vit_base_patch32_siglip_gap_256" or "tanh" in given.get("hidden_act", "")
    numerics = heads, "gelu_tanh" if has_tanh else "gelu", given.get("layer_norm_eps", 1e-6)
    images = np.load(path.parents[1] / ("inputs-grey.npy" if given.get("in_chans") == 1 else "inputs.npy"))
    expected = np.load(path.parent / "logits.npy")
    tokens = model.tokens(images.transpose(0, 3, 1, 2), *numerics)
    assert min(np.abs(found - expected).max() for _, found, _, _ in model.answers(tokens, *numerics)) < 1e-4
