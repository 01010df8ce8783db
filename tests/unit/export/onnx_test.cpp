// SPDX-License-Identifier: Apache-2.0
// What is written can be read again and is the same network. That others read it is shown by tests/golden/peer_test.cpp.
#include "export/onnx.hpp"

#include <gtest/gtest.h>

#include <unistd.h>

#include <filesystem>

#include "arch/importer.hpp"
#include "base/half.hpp"
#include "enlarge/export.hpp"
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
        EXPECT_EQ(again.features, network.features);
        EXPECT_EQ(again.blocks, network.blocks);
        EXPECT_EQ(again.growth, network.growth);
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
            if (node.op != Op::scale_shift)  // stays in float, before the first convolution
                for (Values* values : {&node.weights, &node.bias}) {
                    if (!*values) continue;
                    std::vector<float> halves;
                    for (const float value : **values) halves.push_back(half_to_float(float_to_half(value)));
                    *values = make_values(std::move(halves));
                }
            must(rounded.add(std::move(node)));
        }
        EXPECT_TRUE(same_network(rounded, again.graph)) << network.family << " " << network.variant;
    }
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
