// SPDX-License-Identifier: Apache-2.0
// Networks from layers: that the right ones are named rightly, and that a graph that is nearly one of ours is refused.
// The numbers are held against PyTorch by tests/golden.
#include <gtest/gtest.h>

#include "arch/importer.hpp"
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
    EXPECT_EQ(network.features, 8);
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

TEST_F(layers, a_clamp_at_the_end_changes_nothing_and_one_in_the_middle_is_refused) {
    file_.layers.push_back({"Clip", "clip", {"output"}, {"clamped"}, {{"0", 0}, {"1", 1}}, {}, {}, {}, {}});
    EXPECT_TRUE(recognise(file_).ok());
    file_.layers.back().numbers["1"] = 0.5;
    EXPECT_NE(refusal(file_).find("clamp"), std::string::npos);
    file_.layers.back().numbers["1"] = 1;
    file_.layers.push_back({"PReLU", "late", {"clamped"}, {"end"}, {}, {}, {}, {{{3}, {1, 1, 1}}}, {}});
    EXPECT_NE(refusal(file_).find("in the middle"), std::string::npos);
}

TEST_F(layers, a_resampling_at_the_end_sets_the_scale) {
    file_.layers.push_back({"Interp", "down", {"output"}, {"small"}, {{"0", 3}, {"1", 0.5}, {"2", 0.5}}, {}, {}, {}, {}});
    const Network network = must(recognise(file_));
    EXPECT_EQ(network.scale, 1);
    EXPECT_EQ(network.graph.scale(), 2);
    file_.layers.back().numbers["1"] = file_.layers.back().numbers["2"] = 0.3;
    EXPECT_NE(refusal(file_).find("scale 0.6"), std::string::npos);
}

TEST_F(layers, what_is_nearly_a_known_network_is_refused) {
    const StateDict whole = file_;
    const auto changed = [&](const char* type, auto change) {
        file_ = whole;
        change(of_type(type));
        return refusal(file_);
    };
    EXPECT_NE(changed("BinaryOp", [](Layer& l) { l.numbers["0"] = 1; }).find("connects them in another way"), std::string::npos);
    EXPECT_NE(changed("BinaryOp", [](Layer& l) { l.numbers["0"] = 2; }).find("product"), std::string::npos);
    EXPECT_NE(changed("Interp", [](Layer& l) { l.numbers["0"] = 2; }).find("in the middle"), std::string::npos);
    EXPECT_NE(changed("Interp", [](Layer& l) { l.numbers["1"] = l.numbers["2"] = 4; }).find("inputs differ"), std::string::npos);
    EXPECT_NE(changed("Interp", [](Layer& l) { l.inputs[0] = "b1"; }), "(accepted)");
    EXPECT_NE(changed("PixelShuffle", [](Layer& l) { l.numbers["1"] = 1; }).find("another order"), std::string::npos);
    EXPECT_NE(changed("Convolution", [](Layer& l) { l.numbers["3"] = 2; }).find("stride"), std::string::npos);
    EXPECT_NE(changed("Convolution", [](Layer& l) { l.numbers["4"] = 0; }).find("padded by 0"), std::string::npos);
    EXPECT_NE(changed("Convolution", [](Layer& l) { l.numbers["9"] = 1; }).find("connects them in another way"), std::string::npos);
    EXPECT_NE(changed("Convolution", [](Layer& l) { l.tensors.clear(); }).find("no weights"), std::string::npos);
    EXPECT_NE(changed("PReLU", [](Layer& l) { l.type = "Softmax"; }).find("layer 'PReLU3' (Softmax)"), std::string::npos);
    EXPECT_NE(changed("PReLU", [](Layer& l) { l.inputs[0] = "nowhere"; }).find("before it is computed"), std::string::npos);
    EXPECT_NE(changed("PReLU", [](Layer& l) { l.tensors[0].values.pop_back(); }).find("slopes; expected 8"), std::string::npos);
    EXPECT_NE(changed("Split", [](Layer& l) { l.outputs.push_back("unused"); }).find("more than one output"), std::string::npos);
}

TEST(importer, puts_a_pixel_shuffle_together_from_reshapes) {
    const Tensor kernel{{12, 12, 1, 1}, std::vector<float>(144, 0.5F)};
    Importer importer;
    must(importer.input("x", 3));
    must(importer.reshape("a", "x", {1, 3, 8, 2, 6, 2}));
    must(importer.transpose("b", "a", {0, 1, 3, 5, 2, 4}));
    must(importer.reshape("c", "b", {1, 12, 8, 6}));
    Importer::Convolution conv;
    conv.weights = &kernel;
    must(importer.conv("d", "c", conv));
    must(importer.reshape("e", "d", {1, 3, 2, 2, 8, 6}));
    must(importer.transpose("f", "e", {0, 1, 4, 2, 5, 3}));
    must(importer.reshape("g", "f", {1, 3, 16, 12}));
    const Graph graph = must(importer.finish()).graph;
    ASSERT_EQ(graph.nodes().size(), 4U);
    EXPECT_EQ(graph.nodes()[1].op, Operation(op::PixelUnshuffle{2}));
    EXPECT_EQ(graph.nodes()[3].op, Operation(op::PixelShuffle{2}));

    Importer other;
    must(other.input("x", 3));
    must(other.reshape("a", "x", {1, 3, 8, 2, 6, 2}));
    EXPECT_FALSE(other.transpose("b", "a", {0, 1, 3, 5, 4, 2}).ok());
    EXPECT_FALSE(other.reshape("c", "x", {1, 3, 96}).ok());
    EXPECT_FALSE(other.reshape("d", "x", {1, 3, 8, 2, 4, 3}).ok());
    EXPECT_FALSE(other.sigmoid("e", "a").ok());
}

TEST(importer, does_not_let_a_small_file_grow) {
    Importer importer;
    must(importer.input("x", 3));
    std::vector<float> wide(3 * 60000, 0.0F);
    const Tensor kernel{{60000, 3, 1, 1}, std::move(wide)}, slope{{1}, {0.1F}};
    Importer::Convolution conv;
    conv.weights = &kernel;
    must(importer.conv("0", "x", conv));
    Errc code = Errc::internal;
    for (int i = 0; i < 1000; ++i)
        if (const auto added = importer.prelu(std::to_string(i + 1), std::to_string(i), slope); !added.ok()) {
            code = added.error().code;
            break;
        }
    EXPECT_EQ(code, Errc::limit);
    EXPECT_FALSE(importer.constant("c", {{1000}, std::vector<float>(1000)}).ok());
    EXPECT_FALSE(importer.concat("d", std::vector<std::string>(65, "x")).ok());
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
