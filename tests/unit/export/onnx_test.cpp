// SPDX-License-Identifier: Apache-2.0
// What is written can be read again and is the same network. That others read it is shown by tests/golden/peer_test.cpp.
#include "export/onnx.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "arch/importer.hpp"
#include "base/half.hpp"
#include "enlarge/export.hpp"
#include "graph/traits.hpp"
#include "support/networks.hpp"
#include "support/safetensors.hpp"
#include "support/state_dicts.hpp"

namespace enlarge {
namespace {

using test::must;
using test::RrdbKeys;
using test::SpanForm;

StateDict read_back(const std::string& bytes) { return must(read_weights(std::as_bytes(std::span(bytes)))); }

std::vector<StateDict> networks() {
    return {test::compact_weights(1, {8, 2, 4, 3}), test::compact_weights(2, {8, 1, 1, 3}), test::compact_weights(3, {8, 1, 2, 1}),
            test::rrdb_weights(4, RrdbKeys::esrgan), test::rrdb_weights(5, RrdbKeys::esrgan_plus),
            test::rrdb_weights(6, RrdbKeys::real, {.unshuffle = 2}), test::rrdb_weights(7, RrdbKeys::real, {.unshuffle = 4}),
            test::rrdb_weights(8, RrdbKeys::bsrgan, {.upconvs = 3}), test::span_weights(9, SpanForm::full),
            test::span_weights(10, SpanForm::slim, {6, 3, false}), test::span_weights(11, SpanForm::slim, {6, 1, true})};
}

TEST(onnx_export, is_the_same_network_when_read_again) {
    for (const StateDict& weights : networks()) {
        const Network network = must(recognise(weights));
        const Network again = must(recognise(read_back(must(write_onnx(network.graph)))));
        EXPECT_TRUE(same_network(network.graph, again.graph)) << network.family << " " << network.variant;
        EXPECT_EQ(again.family, network.family);
        EXPECT_EQ(again.scale, network.scale);
        EXPECT_EQ(again.facts, network.facts);
    }
}

TEST(onnx_export, in_half_precision_rounds_each_weight_once) {
    for (const StateDict& weights : networks()) {
        const Network network = must(recognise(weights));
        OnnxFile file;
        file.half = true;
        const Network again = must(recognise(read_back(must(write_onnx(network.graph, file)))));
        Graph rounded;
        for (Node node : network.graph.nodes()) {
            std::vector<Values*>
                rounded_here;  // but for scale_shift, which stays in float, before the first convolution
            if (auto* conv = node.as<op::Conv2d>()) rounded_here = {&conv->weights, &conv->bias};
            if (auto* prelu = node.as<op::Prelu>()) rounded_here = {&prelu->slopes};
            for (Values* values : rounded_here) {
                std::vector<float> halves;
                for (const float value : **values) halves.push_back(half_to_float(float_to_half(value)));
                *values = make_values(std::move(halves));
            }
            must(rounded.add(std::move(node)));
        }
        EXPECT_TRUE(same_network(rounded, again.graph)) << network.family << " " << network.variant;
    }
}

// A network with one operation on 12 channels in its middle.
Graph network_with(const Operation& op) {
    test::NetworkBuilder b(1, 3);
    b.conv(b.append(op, {b.conv(0, 12)}), 3);
    return b.finish();
}

TEST(onnx_export, writes_each_operation_as_its_operator) {
    const Values twelve = make_values(std::vector<float>(12, 0.5F));
    const Operation written[] = {op::Gelu{false},
                                 op::Gelu{true},
                                 op::Mish{},
                                 op::Sigmoid{},
                                 op::Tanh{},
                                 op::Exp{},
                                 op::Sqrt{},
                                 op::Abs{},
                                 op::Clamp{0, 1},
                                 op::LayerNorm{0, 1e-5F, twelve, twelve},
                                 op::GroupNorm{3, 1e-5F, twelve, twelve},
                                 op::InstanceNorm{1e-5F, twelve, twelve},
                                 op::RmsNorm{0, 1e-5F, twelve},
                                 op::L2Norm{},
                                 op::Softmax{0},
                                 op::AveragePool{3, 1, 1},
                                 op::MaxPool{3, 1, 1},
                                 op::Resize{},
                                 op::Roll{1, -1},
                                 op::Slice{0, 2, -1},
                                 op::Argmax{0},
                                 op::Argsort{0},
                                 op::WindowAttention{2, 8, 8, 0, 0, 1, {}},
                                 op::GridAttention{2, 8, 8, 1, {}},
                                 op::ChannelAttention{1, 0, 1e-12F, make_values({1})}};
    for (const Operation& op : written) {
        const auto* gelu = std::get_if<op::Gelu>(&op);
        const std::string name(traits(op).name), wanted(gelu && gelu->tanh_form ? "Tanh" : traits(op).onnx);
        const auto bytes = write_onnx(network_with(op));
        ASSERT_TRUE(bytes.ok()) << name << ": " << bytes.error().message;
        const StateDict file = read_back(*bytes);
        const auto found = std::count_if(file.layers.begin(), file.layers.end(),
                                         [&](const Layer& layer) { return layer.type == wanted; });
        EXPECT_GT(found, 0) << name << " without " << wanted;
    }
}

TEST(onnx_export, refuses_networks_with_several_inputs) {
    Graph graph;
    must(graph.add({op::Input{3, "first"}, {}}));
    must(graph.add({op::Input{3, "second"}, {}}));
    must(graph.add({op::Add{}, {0, 1}}));
    const auto bytes = write_onnx(graph);
    ASSERT_FALSE(bytes.ok());
    EXPECT_EQ(bytes.error().message, "a network with several inputs cannot be written");
}

class onnx_file : public testing::Test {
protected:
    std::string path_ = (std::filesystem::path(testing::TempDir()) / ("export_" + std::to_string(::getpid()) + ".onnx")).string();
    void TearDown() override { std::filesystem::remove(path_); }
};

TEST_F(onnx_file, opens_as_a_model_of_the_same_sizes) {
    const Model model = must(Model::read(test::to_safetensors(test::compact_weights(1, {8, 2, 3, 3})), "small"));
    must(export_onnx(model, path_));
    const Model again = must(Model::open(path_));
    EXPECT_EQ(again.info().parameters, model.info().parameters);
    EXPECT_EQ(again.info().scale, 3);
}

TEST_F(onnx_file, is_not_overwritten_unless_asked) {
    const Model model = must(Model::read(test::to_safetensors(test::compact_weights(1)), "small"));
    must(export_onnx(model, path_));
    const auto second = export_onnx(model, path_);
    ASSERT_FALSE(second.ok());
    EXPECT_EQ(second.error().code, Errc::exists);
    OnnxOptions options;
    options.overwrite = options.half = true;
    const auto before = std::filesystem::file_size(path_);
    must(export_onnx(model, path_, options));
    EXPECT_LT(std::filesystem::file_size(path_), before * 2 / 3);
    EXPECT_FALSE(export_onnx(model, "/nowhere/at/all.onnx").ok());
}

}  // namespace
}  // namespace enlarge
