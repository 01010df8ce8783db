// SPDX-License-Identifier: Apache-2.0
// Networks from layers: that the right ones are named rightly, that all others run as they are, and what is refused. The
// numbers are held against PyTorch by tests/golden.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "arch/importer.hpp"
#include "backend/reference/reference.hpp"
#include "support/onnx_layers.hpp"
#include "support/run_program.hpp"
#include "support/state_dicts.hpp"

namespace enlarge {
namespace {

using test::must;

// Compact as onnx2ncnn writes it.
StateDict ncnn_compact(const StateDict& named, int scale) {
    StateDict file;
    file.format = WeightFormat::ncnn;
    const auto layer = [&](const std::string& type, std::vector<std::string> in, std::vector<std::string> out) -> Layer& {
        file.layers.push_back({type, type + std::to_string(file.layers.size()), std::move(in), std::move(out), {}, {}, {}, {}, {}});
        return file.layers.back();
    };
    layer("Input", {}, {"data"});
    layer("Split", {"data"}, {"data_0", "data_1"});
    std::string from = "data_0";
    for (int i = 0; named.tensors.contains("body." + std::to_string(i) + ".weight"); ++i) {
        const std::string key = "body." + std::to_string(i), to = "b" + std::to_string(i);
        const Tensor& weights = named.tensors.at(key + ".weight");
        if (weights.shape.size() == 4) {
            Layer& conv = layer("Convolution", {from}, {to});
            conv.numbers = {{"0", weights.shape[0]}, {"1", 3}, {"4", 1}, {"5", 1}, {"6", weights.values.size()}};
            conv.tensors = {weights, named.tensors.at(key + ".bias")};
        } else {
            layer("PReLU", {from}, {to}).tensors = {weights};
        }
        from = to;
    }
    layer("PixelShuffle", {from}, {"shuffled"}).numbers = {{"0", scale}};
    layer("Interp", {"data_1"}, {"base"}).numbers = {{"0", 1}, {"1", scale}, {"2", scale}};
    layer("BinaryOp", {"shuffled", "base"}, {"output"}).numbers = {{"0", 0}};
    return file;
}

std::string refusal(const StateDict& file) {
    const auto network = recognise(file);
    if (network.ok()) return "(accepted)";
    EXPECT_TRUE(network.error().code == Errc::unsupported || network.error().code == Errc::format) << network.error().message;
    return network.error().message;
}

class layers : public testing::Test {
protected:
    StateDict named_ = test::compact_weights(1, {8, 2, 2, 3});
    StateDict file_ = ncnn_compact(named_, 2);
    Layer& of_type(const std::string& type) {
        for (Layer& layer : file_.layers)
            if (layer.type == type) return layer;
        ADD_FAILURE() << type;
        return file_.layers[0];
    }
};

TEST_F(layers, give_the_same_network_as_the_names) {
    const Network network = must(recognise(file_));
    EXPECT_EQ(network.family, "Compact");
    EXPECT_EQ(network.number("features"), 8);
    EXPECT_EQ(network.scale, 2);
    EXPECT_TRUE(same_network(network.graph, must(recognise(named_)).graph));
    const StateDict named = must(named_tensors(file_));
    ASSERT_EQ(named.tensors.size(), named_.tensors.size());
    for (const auto& [name, tensor] : named_.tensors) {
        EXPECT_EQ(named.tensors.at(name).shape, tensor.shape) << name;
        EXPECT_EQ(named.tensors.at(name).values, tensor.values) << name;
    }
}

TEST_F(layers, can_be_blended_with_named_tensors) {
    const StateDict other = test::compact_weights(2, {8, 2, 2, 3});
    EXPECT_TRUE(recognise(must(blend(must(named_tensors(file_)), other, 0.5F))).ok());
}

TEST_F(layers, a_grey_network_is_found_to_be_grey) {
    const StateDict grey = ncnn_compact(test::compact_weights(1, {8, 1, 3, 1}), 3);
    const Network network = must(recognise(grey));
    EXPECT_EQ(network.graph.input_channels(), 1);
    EXPECT_EQ(network.scale, 3);
}

std::string family_of(const StateDict& file) {
    const auto network = recognise(file);
    return network.ok() ? network->family : network.error().message;
}

TEST_F(layers, a_clamp_at_the_end_changes_nothing_and_one_elsewhere_is_an_operation) {
    file_.layers.push_back({"Clip", "clip", {"output"}, {"clamped"}, {{"0", 0}, {"1", 1}}, {}, {}, {}, {}});
    EXPECT_EQ(family_of(file_), "Compact");
    file_.layers.back().numbers["1"] = 0.5;
    EXPECT_EQ(family_of(file_), "ncnn graph");
    EXPECT_EQ(must(recognise(file_)).graph.output().op, Operation(op::Clamp{0, 0.5F}));
    file_.layers.back().numbers["1"] = 1;
    file_.layers.push_back({"PReLU", "late", {"clamped"}, {"end"}, {}, {}, {}, {{{3}, {1, 1, 1}}}, {}});
    EXPECT_EQ(family_of(file_), "ncnn graph");
}

TEST_F(layers, a_resampling_at_the_end_sets_the_scale) {
    file_.layers.push_back({"Interp", "down", {"output"}, {"small"}, {{"0", 3}, {"1", 0.5}, {"2", 0.5}}, {}, {}, {}, {}});
    const Network network = must(recognise(file_));
    EXPECT_EQ(network.family, "Compact");
    EXPECT_EQ(network.scale, 1);
    EXPECT_EQ(network.graph.scale(), 2);
    file_.layers.back().numbers["1"] = file_.layers.back().numbers["2"] = 0.3;
    EXPECT_NE(refusal(file_).find("the output is smaller than the input"), std::string::npos);
}

TEST_F(layers, what_is_nearly_a_known_network_runs_as_it_is) {
    const StateDict whole = file_;
    const auto changed = [&](const char* type, auto change) {
        file_ = whole;
        change(of_type(type));
        return must(recognise(file_));
    };
    const Network difference = changed("BinaryOp", [](Layer& l) { l.numbers["0"] = 1; });
    EXPECT_EQ(difference.family, "ncnn graph");
    EXPECT_EQ(difference.graph.output().op, Operation(op::Add{1, -1}));
    EXPECT_EQ(difference.scale, 2);
    EXPECT_EQ(difference.number("features"), 0);
    EXPECT_EQ(difference.variant, "4 conv2d, 3 prelu, 1 add, 1 pixel_shuffle, 1 upsample_nearest");
    EXPECT_TRUE(must(named_tensors(file_)).tensors.empty());
    EXPECT_EQ(changed("BinaryOp", [](Layer& l) { l.numbers["0"] = 2; }).graph.output().op, Operation(op::Multiply{}));
    EXPECT_EQ(changed("Interp", [](Layer& l) { l.numbers["0"] = 2; }).family, "ncnn graph");
    EXPECT_EQ(changed("Convolution", [](Layer& l) { l.numbers["9"] = 1; }).graph.nodes()[2].op, Operation(op::LeakyRelu{0}));
    EXPECT_EQ(changed("PReLU", [](Layer& l) { l.type = "Softmax"; }).graph.nodes()[2].op, Operation(op::Softmax{0}));
}

TEST_F(layers, what_cannot_be_is_refused_by_the_layer) {
    const StateDict whole = file_;
    const auto changed = [&](const char* type, auto change) {
        file_ = whole;
        change(of_type(type));
        return refusal(file_);
    };
    EXPECT_NE(changed("Interp", [](Layer& l) { l.numbers["1"] = l.numbers["2"] = 4; }).find("inputs differ"), std::string::npos);
    EXPECT_NE(changed("Interp", [](Layer& l) { l.inputs[0] = "b1"; }).find("inputs differ"), std::string::npos);
    EXPECT_NE(changed("PixelShuffle", [](Layer& l) { l.numbers["1"] = 1; }).find("another order"), std::string::npos);
    EXPECT_NE(changed("Convolution", [](Layer& l) { l.numbers["3"] = 2; }).find("inputs differ"), std::string::npos);
    EXPECT_NE(changed("Convolution", [](Layer& l) { l.numbers["4"] = 0; }).find("inputs differ"), std::string::npos);
    EXPECT_NE(changed("Convolution", [](Layer& l) { l.tensors.clear(); }).find("no weights"), std::string::npos);
    EXPECT_NE(changed("PReLU", [](Layer& l) { l.type = "Log"; }).find("layer 'PReLU3' (Log): this layer is not supported"), std::string::npos);
    EXPECT_NE(changed("PReLU", [](Layer& l) { l.inputs[0] = "nowhere"; }).find("before it is computed"), std::string::npos);
    const auto one_less = [](Layer& l) { l.tensors[0].values.edit().pop_back(); };
    EXPECT_NE(changed("PReLU", one_less).find("slopes; expected 8"), std::string::npos);
    EXPECT_NE(changed("Split", [](Layer& l) { l.outputs.push_back("unused"); }).find("more than one output"), std::string::npos);
}

// ncnn's windows leave a rest too; here only a mean is made of what they see.
TEST(ncnn_layers, windows_with_steps_leave_a_rest) {
    StateDict file;
    file.format = WeightFormat::ncnn;
    const auto layer = [&](const std::string& type, std::vector<std::string> in, const std::string& out) -> Layer& {
        file.layers.push_back({type, out, std::move(in), {out}, {}, {}, {}, {}, {}});
        return file.layers.back();
    };
    layer("Input", {}, "x");
    Layer& conv = layer("Convolution", {"x"}, "low");
    conv.numbers = {{"0", 3}, {"1", 3}, {"3", 2}, {"5", 1}, {"6", 81}};
    conv.tensors = {{{3, 3, 3, 3}, std::vector<float>(81, 0.1F)}, {{3}, {0, 0, 0}}};
    layer("Pooling", {"low"}, "mean").numbers = {{"0", 1}, {"4", 1}};
    layer("BinaryOp", {"x", "mean"}, "out").numbers = {{"0", 2}};
    const Graph graph = must(recognise(file)).graph;
    EXPECT_EQ(graph.size_multiple(), 1);
    EXPECT_EQ(text(graph.nodes()[1].shape), "3 x floor((H + 1)/2) - 1 x floor((W + 1)/2) - 1");
}

class onnx_layers : public testing::Test, protected test::OnnxLayers {};

TEST_F(onnx_layers, put_a_pixel_shuffle_together_from_reshapes_for_one_size) {
    reshape("x", "a", {1, 3, 8, 2, 6, 2});
    node("Transpose", {"a"}, "b").lists["perm"] = {0, 1, 3, 5, 2, 4};
    reshape("b", "c", {1, 12, 8, 6});
    conv("c", "d", 12, 12);
    reshape("d", "e", {1, 3, 2, 2, 8, 6});
    node("Transpose", {"e"}, "f").lists["perm"] = {0, 1, 4, 2, 5, 3};
    reshape("f", "g", {1, 3, 16, 12});
    const Graph graph = must(recognise(file_)).graph;
    ASSERT_EQ(graph.nodes().size(), 4U);
    EXPECT_EQ(graph.nodes()[1].op, Operation(op::PixelUnshuffle{2}));
    EXPECT_EQ(graph.nodes()[3].op, Operation(op::PixelShuffle{2}));
}

TEST_F(onnx_layers, compute_sizes_for_any_picture) {
    conv("x", "y", 3, 12);
    node("Shape", {"y"}, "shape");
    constant(node("Gather", {"shape"}, "rows"), 1, {1}, {2});
    constant(node("Gather", {"shape"}, "columns"), 1, {1}, {-1});
    node("Mul", {"rows", "columns"}, "tokens");
    Layer& join = node("Concat", {"", "", "tokens"}, "flat");
    constant(join, 0, {1}, {1});
    constant(join, 1, {1}, {12});
    node("Reshape", {"y", "flat"}, "row");
    node("Softmax", {"row"}, "soft").numbers["axis"] = 1;
    Layer& back = node("Concat", {"", "", "rows", "columns"}, "sides");
    constant(back, 0, {1}, {1});
    constant(back, 1, {1}, {-1});
    node("Reshape", {"soft", "sides"}, "picture");
    node("DepthToSpace", {"picture"}, "out").numbers["blocksize"] = 2;
    file_.layers.back().texts["mode"] = "CRD";
    const Network network = must(recognise(file_));
    EXPECT_EQ(network.family, "ONNX graph");
    EXPECT_EQ(network.scale, 2);
    EXPECT_EQ(network.variant, "2 reshape, 1 conv2d, 1 pixel_shuffle, 1 softmax");
}

TEST_F(onnx_layers, a_file_for_one_size_is_refused_with_what_helps) {
    conv("x", "y", 3, 12);
    reshape("y", "tokens", {1, 12, 4096});
    EXPECT_NE(refusal(file_).find("node 'tokens' (Reshape): a reshape of 1 x 12 x H x W to 1 x 12 x 4096; a file for one size"),
              std::string::npos) << refusal(file_);
}

TEST_F(onnx_layers, a_file_for_one_size_is_refused_for_what_is_wrong_at_that_size) {
    file_.inputs.push_back({"x", {1, 3, 48, 64}});
    conv("x", "y", 3, 12);
    reshape("y", "tokens", {1, 12, 3072});
    EXPECT_NE(refusal(file_).find("the output is no picture: 12 x 3072"), std::string::npos) << refusal(file_);
    file_.inputs[0].shape = {1, 3, 48, 32};
    EXPECT_NE(refusal(file_).find("node 'tokens' (Reshape): a reshape of 1 x 12 x 48 x 32 to 1 x 12 x 3072"),
              std::string::npos) << refusal(file_);
    EXPECT_EQ(refusal(file_).find("exported"), std::string::npos) << refusal(file_);
}

// Rows beyond a picture that is small: cut off at the file's size, refused for others.
TEST_F(onnx_layers, a_file_for_one_size_is_read_with_it_where_it_needs_it) {
    file_.inputs.push_back({"x", {1, 3, 6, 10}});
    Layer& cut = node("Slice", {"x"}, "cut");
    constant(cut, 1, {1}, {0});
    constant(cut, 2, {1}, {100});
    constant(cut, 3, {1}, {2});
    conv("cut", "y", 3, 3);
    EXPECT_EQ(must(recognise(file_)).graph.own_size(), (Size{10, 6}));
    file_.inputs[0].shape = {1, 3, 200, 10};
    EXPECT_NE(refusal(file_).find("the output is no picture"), std::string::npos) << refusal(file_);
}

// Sides of tokens, maps and windows as numbers: they fit pictures of one size.
TEST_F(onnx_layers, a_file_for_one_size_runs_at_that_size) {
    file_.inputs.push_back({"x", {1, 3, 6, 10}});
    conv("x", "y", 3, 12);
    reshape("y", "tokens", {1, 12, 60});
    std::vector<float> map(60);
    for (std::size_t i = 0; i < map.size(); ++i) map[i] = static_cast<float>(i);
    constant(node("Add", {"tokens", ""}, "moved"), 1, {1, 1, 60}, map, false);
    reshape("moved", "windows", {1, 12, 2, 3, 2, 5});
    node("Transpose", {"windows"}, "turned").lists["perm"] = {0, 1, 4, 3, 2, 5};  // windows of a row change places
    reshape("turned", "rows", {12, 6, 10});
    constant(node("Unsqueeze", {"rows"}, "picture"), 1, {1}, {0});
    node("DepthToSpace", {"picture"}, "out").numbers["blocksize"] = 2;
    file_.layers.back().texts["mode"] = "CRD";
    const Network network = must(recognise(file_));
    EXPECT_EQ(network.graph.own_size(), (Size{10, 6}));
    EXPECT_EQ(network.scale, 2);
    EXPECT_NE(network.variant.find(", for 10x6 alone"), std::string::npos) << network.variant;
    const test::FloatPicture picture = test::random_picture(2, 3, {10, 6});
    const test::FloatPicture result = test::run_whole(reference_backend(), network.graph, picture);
    ASSERT_EQ(result.size, (Size{20, 12}));
    for (int y = 0; y < 6; ++y)
        for (int x = 0; x < 10; ++x) {
            // Where pixel (y, x) comes from: sides 2 3 2 5 in the order 2 3 2 5 of the third, second and first.
            const int a = y / 3, b = y % 3, c = x / 5, d = x % 5, from = ((c * 3 + b) * 2 + a) * 5 + d;
            const double sum = 0.1 * (double{picture.at(0, from % 10, from / 10)} + picture.at(1, from % 10, from / 10) +
                                      picture.at(2, from % 10, from / 10));
            for (int i = 0; i < 4; ++i)
                EXPECT_NEAR(result.at(1, 2 * x + i % 2, 2 * y + i / 2), sum + from, 1e-4) << x << " " << y;
        }
}

TEST_F(onnx_layers, windows_with_steps_leave_a_rest_where_the_file_does) {
    Layer& down = constant(node("Conv", {"x"}, "low"), 1, {3, 3, 3, 3}, std::vector<float>(81, 0.1F), false);
    down.lists["strides"] = {2, 2};
    node("Shape", {"x"}, "shape");
    Layer& up = node("Resize", {"low", "", "", "shape"}, "high");
    up.texts["mode"] = "linear";
    const Graph sized = must(recognise(file_)).graph;
    EXPECT_EQ(sized.size_multiple(), 1);
    EXPECT_EQ(text(sized.nodes()[1].shape), "3 x floor((H + 1)/2) - 1 x floor((W + 1)/2) - 1");
    EXPECT_FALSE(sized.expects_multiples());

    // Here nothing fits together where a side is odd: no file has a result then.
    file_.layers.erase(file_.layers.begin() + 1, file_.layers.end());
    file_.layers[0].lists["pads"] = {1, 1, 1, 1};
    constant(node("ConvTranspose", {"low"}, "high"), 1, {3, 3, 2, 2}, std::vector<float>(36, 0.1F), false).lists["strides"] = {2, 2};
    node("Add", {"high", "x"}, "sum");
    const Graph joined = must(recognise(file_)).graph;
    EXPECT_EQ(joined.size_multiple(), 2);
    EXPECT_FALSE(joined.expects_multiples());

    // Here the file has one, of a part that no graph here can cut off.
    file_.layers.pop_back();
    node("Shape", {"x"}, "sides");
    constant(node("Slice", {"sides"}, "rows"), 1, {1}, {2});
    constant(file_.layers.back(), 2, {1}, {3});
    Layer& cut = node("Slice", {"high", "", "rows"}, "cut");
    constant(cut, 1, {1}, {0});
    constant(cut, 3, {1}, {2});
    const Graph cut_off = must(recognise(file_)).graph;
    EXPECT_EQ(cut_off.size_multiple(), 2);
    EXPECT_TRUE(cut_off.expects_multiples());
}

TEST_F(onnx_layers, operators_mean_what_they_did_in_their_version) {
    conv("x", "y", 3, 3);
    node("Softmax", {"y"}, "out").numbers["axis"] = 1;
    EXPECT_EQ(must(recognise(file_)).graph.nodes().size(), 3U);
    file_.opset = 13;
    EXPECT_EQ(must(recognise(file_)).graph.nodes().size(), 3U);
    file_.opset = 12;  // over all numbers
    const Graph old = must(recognise(file_)).graph;
    ASSERT_EQ(old.nodes().size(), 5U);
    EXPECT_EQ(text(old.nodes()[3].shape), "3HW");
    file_.opset = 6;
    EXPECT_NE(refusal(file_).find("operators of version 6; expected 7 or newer"), std::string::npos) << refusal(file_);
}

TEST_F(onnx_layers, a_slice_beyond_a_small_picture_has_no_size) {
    Layer& rows = node("Slice", {"x"}, "y");
    constant(rows, 1, {1}, {0});
    constant(rows, 2, {1}, {12});
    constant(rows, 3, {1}, {2});
    node("Shape", {"x"}, "shape");
    node("Resize", {"y", "", "", "shape"}, "out").texts["mode"] = "linear";
    const Graph graph = must(recognise(file_)).graph;
    EXPECT_TRUE(at(graph.nodes()[1], {8, 12}).has_value());
    EXPECT_FALSE(at(graph.nodes()[1], {8, 11}).has_value());
}

// Pads `from` behind its ends until its sides are multiples of 4, as exporters write it; then patches of 4x4.
class onnx_padding : public onnx_layers {
protected:
    Layer& pads_to_four(const std::string& from, bool whole_patch_more = false) {
        node("Shape", {"x"}, "shape");
        constant(node("Slice", {"shape"}, "sides"), 1, {1}, {2});
        constant(file_.layers.back(), 2, {1}, {4});
        constant(node("Mod", {"sides"}, "rest"), 1, {1}, {4});
        Layer& missing = node("Sub", {"", "rest"}, "missing");
        constant(missing, 0, {1}, {4});
        if (!whole_patch_more) constant(node("Mod", {"missing"}, "more"), 1, {1}, {4});
        Layer& pads = node("Concat", {"", whole_patch_more ? "missing" : "more"}, "pads");
        constant(pads, 0, {6}, {0, 0, 0, 0, 0, 0});
        pads.numbers["axis"] = 0;
        return node("Pad", {from, "pads"}, "padded");
    }
    Graph patches() {
        node("SpaceToDepth", {"padded"}, "patches").numbers["blocksize"] = 4;
        node("DepthToSpace", {"patches"}, "whole").numbers["blocksize"] = 4;
        Layer& cut = node("Slice", {"whole", "", "sides"}, "out");
        constant(cut, 1, {2}, {0, 0});
        constant(cut, 3, {2}, {2, 3});
        return must(recognise(file_)).graph;
    }
};

TEST_F(onnx_padding, up_to_a_multiple_is_how_pictures_are_continued) {
    const std::pair<const char*, Continuation> modes[] = {
        {"constant", Continuation::zeros}, {"edge", Continuation::repeat}, {"reflect", Continuation::reflect}};
    for (const auto& [mode, how] : modes) {
        file_.layers.clear();
        pads_to_four("x").texts["mode"] = mode;
        const Graph graph = patches();
        EXPECT_EQ(graph.size_multiple(), 4) << mode;
        EXPECT_EQ(graph.continuation(), how) << mode;
        EXPECT_FALSE(graph.expects_multiples()) << mode;
    }
}

TEST_F(onnx_padding, may_come_one_side_at_a_time) {
    pads_to_four("x");
    file_.layers.resize(file_.layers.size() - 2);
    const auto pad = [&](const std::string& from, float side, std::int64_t before, const std::string& to) {
        constant(node("Gather", {"more"}, "by " + to), 1, {1}, {side});
        Layer& pads = node("Concat", {"", "by " + to}, "pads " + to);
        constant(pads, 0, {before}, std::vector<float>(static_cast<std::size_t>(before)));
        if (before == 6) constant(pads, 2, {1}, {0});
        pads.numbers["axis"] = 0;
        node("Pad", {from, "pads " + to}, to).texts["mode"] = "edge";
    };
    pad("x", 0, 6, "higher");
    const std::size_t half = file_.layers.size();
    pad("higher", 1, 7, "padded");
    const Graph graph = patches();
    EXPECT_EQ(graph.continuation(), Continuation::repeat);
    EXPECT_FALSE(graph.expects_multiples());

    file_.layers.resize(half);  // and the columns not at all
    file_.layers.back().outputs = {"padded"};
    EXPECT_TRUE(patches().expects_multiples());
}

TEST_F(onnx_padding, that_is_no_continuation_of_the_picture_is_said) {
    constant(pads_to_four("x"), 2, {1}, {1});  // ones
    EXPECT_TRUE(patches().expects_multiples());

    file_.layers.clear();
    conv("x", "y", 3, 3);
    pads_to_four("y");  // of features
    EXPECT_TRUE(patches().expects_multiples());

    file_.layers.clear();
    pads_to_four("x", true);  // by a whole patch where nothing is missing
    EXPECT_TRUE(patches().expects_multiples());
}

TEST_F(onnx_layers, the_first_operator_that_is_missing_is_named) {
    conv("x", "y", 3, 3);
    node("Erf", {"y"}, "half");
    node("Det", {"half"}, "z");
    EXPECT_NE(refusal(file_).find("node 'z' (Det): this operator is not supported"), std::string::npos) << refusal(file_);
    file_.layers.back().type = "Tanh";
    EXPECT_NE(refusal(file_).find("node 'half' (Erf): an error function that is no part of a GELU"), std::string::npos) << refusal(file_);
}

TEST_F(onnx_layers, a_node_without_a_name_is_called_by_what_it_computes) {
    node("Det", {"x"}, "z").name.clear();
    EXPECT_EQ(refusal(file_), "node of 'z' (Det): this operator is not supported");
    file_.layers.clear();
    node("Erf", {"x"}, "half").name.clear();
    node("Tanh", {"half"}, "z").name.clear();
    EXPECT_EQ(refusal(file_), "node of 'half' (Erf): an error function that is no part of a GELU");
}

TEST_F(onnx_layers, a_kernel_shape_that_is_not_the_weights_is_refused) {
    conv("x", "y", 3, 3);
    for (const char* type : {"Conv", "ConvTranspose"}) {
        Layer& last = file_.layers.back();
        last.type = type;
        last.lists["kernel_shape"] = {1, 1};
        EXPECT_EQ(refusal(file_), "(accepted)");
        last.lists["kernel_shape"] = {10000, 3};
        EXPECT_EQ(refusal(file_), "node 'y' (" + std::string(type) +
                                      "): a kernel_shape of 10000 x 3; expected 1 x 1, as the weights are");
    }
    file_.layers.clear();
    node("MaxPool", {"x"}, "y");
    EXPECT_EQ(refusal(file_), "node 'y' (MaxPool): no kernel_shape");
}

TEST_F(onnx_layers, weights_that_are_not_finite_are_refused_by_their_name) {
    const float infinity = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
    for (const float wrong : {infinity, -infinity, nan}) {
        file_.layers.clear();
        conv("x", "y", 3, 3);
        EXPECT_EQ(refusal(file_), "(accepted)");
        file_.layers[0].tensors[0].values.edit()[4] = wrong;
        EXPECT_EQ(refusal(file_), "node 'y' (Conv): operand 1 holds NaN or infinity; finite numbers expected");
    }
}

TEST_F(onnx_layers, masks_may_be_infinite_but_not_nan) {
    const float infinity = std::numeric_limits<float>::infinity();
    conv("x", "y", 3, 3);
    constant(node("Add", {"y"}, "masked"), 1, {1, 3, 1, 1}, {0, -infinity, 0}, false);
    node("Softmax", {"masked"}, "z").numbers["axis"] = 1;
    EXPECT_EQ(refusal(file_), "(accepted)");
    file_.layers[1].tensors[0].values = {0, std::numeric_limits<float>::quiet_NaN(), 0};
    EXPECT_EQ(refusal(file_), "node 'masked' (Add): operand 1 holds NaN or infinity; finite numbers expected");
}

TEST_F(onnx_layers, attributes_that_are_not_finite_are_refused) {
    Layer& norm = node("InstanceNormalization", {"x"}, "y");
    constant(norm, 1, {3}, {1, 1, 1}, false);
    constant(norm, 2, {3}, {0, 0, 0}, false);
    norm.numbers["epsilon"] = 1e-5;
    EXPECT_EQ(refusal(file_), "(accepted)");
    for (const auto& [wrong, text] : {std::pair{std::nan(""), "nan"}, {-1.0, "-1.000000"}}) {
        norm.numbers["epsilon"] = wrong;
        EXPECT_EQ(refusal(file_), "node 'y' (InstanceNormalization): the attribute epsilon is " + std::string(text) +
                                      "; expected a finite number that is not negative");
    }
}

TEST_F(onnx_layers, an_input_of_negative_size_is_refused) {
    conv("x", "y", 3, 3);
    for (const std::int64_t any : {-1, 0}) {
        file_.inputs = {{"x", {any, 3, any, any}}};
        EXPECT_EQ(refusal(file_), "(accepted)") << any;
    }
    file_.inputs = {{"x", {1, 3, -4, 16}}};
    EXPECT_EQ(refusal(file_), "the input 'x' has a side of -4; expected 1 or more, or -1 or 0 for any");
}

TEST_F(onnx_layers, numbers_beyond_what_is_meant_are_told_as_they_are) {
    const auto told = [&] {
        const std::string message = refusal(file_);
        file_.layers.clear();
        return message;
    };
    conv("x", "y", 3, 3);
    file_.layers.back().lists["pads"] = {4611686018427387904.0, 0, 0, 0};
    EXPECT_EQ(told(), "node 'y' (Conv): 4611686018427387904 as pads, too large to be meant");
    node("DepthToSpace", {"x"}, "y").numbers["blocksize"] = 4294967296.0;
    EXPECT_EQ(told(), "node 'y' (DepthToSpace): 4294967296 as blocksize, too large to be meant");
    reshape("x", "y", {1, -5, 16, 16});
    EXPECT_EQ(told(), "node 'y' (Reshape): a reshape to 1 x -5 x 16 x 16: a side of -5");
    reshape("x", "y", {1, -1, -1, 16});
    EXPECT_EQ(told(), "node 'y' (Reshape): a reshape to 1 x -1 x -1 x 16: only one side may be -1");
    reshape("x", "y", {1, 1099511627776.0F, 16, 16});
    EXPECT_EQ(told(), "node 'y' (Reshape): 1099511627776 as side of a reshape, too large to be meant");
    constant(node("ConstantOfShape", {}, "c"), 0, {2}, {2, -3});
    node("Add", {"x", "c"}, "y");
    EXPECT_EQ(told(), "node 'c' (ConstantOfShape): a constant with a side of -3");
    Layer& range = node("Range", {}, "c");
    for (const int slot : {0, 1, 2}) constant(range, slot, {}, {slot == 1 ? 5.0F : 0.0F});
    node("Add", {"x", "c"}, "y");
    EXPECT_EQ(told(), "node 'c' (Range): a range with a step of 0");
}

TEST_F(onnx_layers, a_network_without_padding_is_given_more_of_the_picture) {
    constant(node("Conv", {"x"}, "y"), 1, {12, 3, 3, 3}, std::vector<float>(12 * 27, 0.1F), false);
    node("DepthToSpace", {"y"}, "out").numbers["blocksize"] = 2;
    file_.layers.back().texts["mode"] = "CRD";
    const Graph graph = must(recognise(file_)).graph;
    EXPECT_EQ(graph.nodes()[1].op, Operation(op::Pad{op::Pad::Mode::reflect, 1, 1, 1, 1}));
    EXPECT_EQ(graph.scale(), 2);
    EXPECT_EQ(text(graph.output().shape), "3 x 2H x 2W");
}

TEST_F(onnx_layers, do_not_let_a_small_file_grow) {
    conv("x", "0", 3, 60000);
    for (int i = 0; i < 1200; ++i) constant(node("PRelu", {std::to_string(i)}, std::to_string(i + 1)), 1, {1}, {0.1F}, false);
    const auto grown = recognise(file_);
    ASSERT_FALSE(grown.ok());
    EXPECT_EQ(grown.error().code, Errc::limit) << grown.error().message;

    file_.layers.clear();
    constant(node("ConstantOfShape", {}, "huge"), 0, {3}, {65536, 65536, 65536});
    node("Add", {"x", "huge"}, "y");
    const auto huge = recognise(file_);
    ASSERT_FALSE(huge.ok());
    EXPECT_EQ(huge.error().code, Errc::limit) << huge.error().message;
}

TEST(imported_graphs, are_the_same_whatever_the_order_of_a_sum_but_not_with_other_weights) {
    const Graph graph = test::rrdb_graph(1);
    Graph swapped, other;
    for (Node node : graph.nodes()) {
        if (auto* sum = node.as<op::Add>()) {
            std::swap(node.inputs[0], node.inputs[1]);
            std::swap(sum->alpha, sum->beta);
        }
        must(swapped.add(node));
    }
    EXPECT_TRUE(same_network(graph, swapped));
    for (Node node : graph.nodes()) {
        if (auto* sum = node.as<op::Add>()) std::swap(sum->alpha, sum->beta);
        must(other.add(node));
    }
    EXPECT_FALSE(same_network(graph, other));
    EXPECT_FALSE(same_network(graph, test::rrdb_graph(2)));
    EXPECT_FALSE(same_network(graph, test::rrdb_graph(1, {.blocks = 2})));
}

}  // namespace
}  // namespace enlarge
