// SPDX-License-Identifier: Apache-2.0
// Random networks of every kind, from files of every format, against PyTorch.
#include <cmath>

#include "golden.hpp"

namespace enlarge {
namespace {

class synthetic : public testing::TestWithParam<test::GoldenCase> {};

TEST_P(synthetic, every_backend_computes_what_pytorch_computed) {
    const StateDict weights = test::must(read_weights(test::golden_path(GetParam().weights)));
    test::expect_golden(test::must(recognise(weights)), GetParam(), GetParam().weights);
}

std::string name_of(const testing::TestParamInfo<test::GoldenCase>& info) {
    std::string name = info.param.weights;
    for (char& c : name)
        if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
    return name;
}

INSTANTIATE_TEST_SUITE_P(state_dicts, synthetic, testing::ValuesIn(test::golden_cases("cases.txt")), name_of);

INSTANTIATE_TEST_SUITE_P(families, synthetic, testing::ValuesIn(test::golden_cases("family_cases.txt")), name_of);

INSTANTIATE_TEST_SUITE_P(graphs, synthetic, testing::ValuesIn(test::golden_cases("graph_cases.txt")), name_of);

// As their authors' modules are exported, against ONNX Runtime.
INSTANTIATE_TEST_SUITE_P(exports, synthetic, testing::ValuesIn(test::golden_cases("export_cases.txt")), name_of);

// Random graphs of ONNX whose windows leave a rest (tools/random_graphs.py --golden), against ONNX Runtime.
INSTANTIATE_TEST_SUITE_P(rests, synthetic, testing::ValuesIn(test::golden_cases("round_cases.txt")), name_of);

// What a file of a family may lack: merged copies and tables that are computed, activations that are never used, and
// biases that not every network has.
bool may_be_missing(const std::string& name) {
    for (const char* part : {"eval_conv", "conv_3x3_rep", "reparam", "attn_mask", "block2.act", "convblock.act", "conv_w.0"})
        if (name.find(part) != std::string::npos) return true;
    return name == "pro" || name.ends_with("qkv.bias");
}

TEST(golden_families_damaged, are_refused_and_the_tensor_is_named) {
    for (const test::GoldenCase& golden : test::golden_cases("family_cases.txt")) {
        SCOPED_TRACE(golden.weights);
        const StateDict whole = test::must(read_weights(test::golden_path(golden.weights)));
        for (const auto& [name, tensor] : whole.tensors) {
            if (may_be_missing(name)) continue;
            StateDict damaged = whole;
            damaged.tensors.erase(name);
            EXPECT_FALSE(recognise(damaged).ok()) << "without " << name;
            damaged = whole;
            Tensor& changed = damaged.tensors.at(name);
            changed.shape.push_back(2);
            changed.values.edit().resize(changed.values.size() * 2);
            EXPECT_FALSE(recognise(damaged).ok()) << "with more of " << name;
            damaged = whole;
            damaged.tensors.at(name).values.edit().front() = NAN;
            EXPECT_FALSE(recognise(damaged).ok()) << "with no number in " << name;
        }
        StateDict more = whole;
        more.tensors["zz.extra.weight"] = {{2, 2}, {1, 2, 3, 4}};
        const auto network = recognise(more);
        ASSERT_FALSE(network.ok());
        EXPECT_EQ(network.error().message, "tensor 'zz.extra.weight' (2x2) does not belong to this network; nothing was loaded");
    }
}

// Sizes that no network has, in shapes that hold no more numbers than before.
TEST(golden_families_damaged, with_sizes_turned_round_are_refused_at_once) {
    for (const test::GoldenCase& golden : test::golden_cases("family_cases.txt")) {
        SCOPED_TRACE(golden.weights);
        const StateDict whole = test::must(read_weights(test::golden_path(golden.weights)));
        for (const auto& [name, tensor] : whole.tensors) {
            if (may_be_missing(name) || tensor.shape.size() < 2) continue;
            for (std::size_t side = 0; side < tensor.shape.size(); ++side)
                for (const std::int64_t size : {std::int64_t{1} << 20, std::int64_t{0}, std::int64_t{255}}) {
                    StateDict damaged = whole;
                    damaged.tensors.at(name).shape[side] = size;
                    EXPECT_FALSE(recognise(damaged).ok()) << name;
                }
        }
    }
}

std::string refusal_of(const std::string& file, Size size) {
    const Network network = test::must(recognise(test::must(read_weights(test::golden_path(file)))));
    const Backend* backend = test::must(choose_backend("reference"));
    const auto graph = std::make_shared<const Graph>(network.graph);
    const std::shared_ptr<const Program> program = test::must(backend->compile(*graph, {}));
    Enlarger enlarger(std::make_shared<NetworkEngine>(graph, *backend, CompileOptions{}, program), {});
    const PixelFormat format{SampleType::u8, 8, 3, false};
    const Image in(size, format);
    Image out({size.width * network.scale, size.height * network.scale}, format);
    const auto result = enlarger.run(in.view(), out.view(), {});
    if (result.ok()) return "(computed)";
    EXPECT_EQ(result.error().code, Errc::limit);
    return result.error().message;
}

// Its gates look at a coarse map of the picture, which a small one has no pixels for.
TEST(golden_omnisr, refuses_pictures_that_are_too_small_for_it_and_names_their_size) {
    const std::string file = "family_omnisr.safetensors";
    EXPECT_EQ(refusal_of(file, {5, 3}), "a picture of 5x3; this network computes at least 13 pixels a side");
    EXPECT_EQ(refusal_of(file, {40, 12}), "a picture of 40x12; this network computes at least 13 pixels a side");
    EXPECT_EQ(refusal_of(file, {13, 13}), "(computed)");
}

// From 1024 pixels on its program makes the picture smaller once more.
TEST(golden_rgt, refuses_pictures_that_are_too_long_for_it) {
    EXPECT_EQ(refusal_of("family_rgt.safetensors", {1024, 16}),
              "a picture of 1024x16; this network computes at most 1023 pixels a side");
}

TEST(golden_lists, are_complete) {
    EXPECT_EQ(test::golden_cases("cases.txt").size(), 15U);
    EXPECT_EQ(test::golden_cases("graph_cases.txt").size(), 13U);
    EXPECT_EQ(test::golden_cases("family_cases.txt").size(), 34U);
    EXPECT_EQ(test::golden_cases("export_cases.txt").size(), 11U);
    EXPECT_EQ(test::golden_cases("round_cases.txt").size(), 8U);
    EXPECT_EQ(test::golden_cases("real_cases.txt").size(), 6U);
}

}  // namespace
}  // namespace enlarge
