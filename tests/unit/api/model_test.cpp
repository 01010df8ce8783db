// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "api/builtin_models.hpp"
#include "api/model_state.hpp"
#include "enlarge/enlarge.hpp"
#include "support/safetensors.hpp"
#include "support/state_dicts.hpp"

namespace enlarge {
namespace {

namespace fs = std::filesystem;
using test::must;

class model : public testing::Test {
protected:
    void SetUp() override {
        folder_ = fs::path(testing::TempDir()) / ("enlarge_model_" + std::to_string(::getpid()));
        fs::create_directories(folder_ / "data/enlarge/models");
        ::setenv("XDG_DATA_HOME", (folder_ / "data").c_str(), 1);
    }
    void TearDown() override { fs::remove_all(folder_); }
    std::string write(const std::string& name, const StateDict& weights, const std::map<std::string, std::string>& metadata = {}) {
        const std::string path = (folder_ / name).string();
        test::write_file(path, test::to_safetensors(weights, metadata));
        return path;
    }
    fs::path folder_;
};

TEST_F(model, opens_a_file_by_path_and_knows_all_about_it) {
    const std::string path = write("small.safetensors", test::compact_weights(1, {16, 2, 2, 3}), {{"licence", "MIT"}});
    const Model opened = must(Model::open(path));
    const ModelInfo& info = opened.info();
    EXPECT_EQ(info.name, "small.safetensors");
    EXPECT_EQ(info.path, path);
    EXPECT_EQ(info.family, "Compact");
    EXPECT_EQ(info.fact("features"), "16");
    EXPECT_EQ(info.fact("blocks"), "2");
    EXPECT_EQ(info.fact("window"), "");
    EXPECT_EQ(info.scale, 2);
    EXPECT_EQ(info.channels, 3);
    EXPECT_EQ(info.parameters, 3 * 16 * 9 + 16 + 2 * (16 * 16 * 9 + 16) + 16 * 12 * 9 + 12 + 3 * 16);
    EXPECT_EQ(info.macs_per_pixel, 3 * 16 * 9 + 2 * 16 * 16 * 9 + 16 * 12 * 9);
    EXPECT_EQ(info.receptive_radius, 4);
    EXPECT_TRUE(info.tiles_exact);
    EXPECT_EQ(info.licence, "MIT");
    const std::vector<ModelFact> all{{"family", "Compact"}, {"variant", "PReLU"}, {"scale", "2"}, {"channels", "3"},
                                     {"features", "16"}, {"blocks", "2"}, {"size multiple", "1"},
                                     {"receptive radius", "4"}, {"tiles", "same bits"}, {"parameters", "6876"},
                                     {"multiplications per pixel", "6768"}, {"licence", "MIT"}};
    EXPECT_EQ(info.facts, all);
}

TEST_F(model, says_whether_it_sees_farther_than_tiles_overlap) {
    const auto rrdb = [](int blocks) {
        const test::RrdbSpec spec{.features = 4, .growth = 2, .blocks = blocks};
        return must(Model::read(test::to_safetensors(test::rrdb_weights(1, test::RrdbKeys::real, spec)))).info();
    };
    EXPECT_EQ(rrdb(1).receptive_radius, 19);
    EXPECT_TRUE(rrdb(1).tiles_exact);
    EXPECT_EQ(rrdb(6).receptive_radius, 94);
    EXPECT_FALSE(rrdb(6).tiles_exact);
}

TEST_F(model, reads_from_memory_and_names_it_in_errors) {
    EXPECT_EQ(must(Model::read(test::to_safetensors(test::span_weights(1, test::SpanForm::slim)), "mine")).info().name, "mine");
    StateDict damaged = test::compact_weights(1);
    damaged.tensors.erase("body.2.bias");
    const auto failed = Model::read(test::to_safetensors(damaged), "mine");
    ASSERT_FALSE(failed.ok());
    EXPECT_EQ(failed.error().message, "mine: tensor 'body.2.bias' is missing");
    const std::byte rubbish[] = {std::byte{1}, std::byte{2}};
    EXPECT_FALSE(Model::read(rubbish).ok());
}

TEST_F(model, opens_a_stored_model_by_its_name) {
    write("data/enlarge/models/my-model.safetensors", test::compact_weights(1));
    EXPECT_EQ(must(Model::open("my-model")).info().name, "my-model");
    EXPECT_NE(must(Model::open("my-model")).info().path, "");
}

TEST_F(model, says_how_to_get_a_public_model_that_is_not_stored) {
    const auto missing = Model::open("realesr-general-x4v3");
    ASSERT_FALSE(missing.ok());
    EXPECT_EQ(missing.error().code, Errc::not_found);
    EXPECT_NE(missing.error().message.find("enlarge models pull realesr-general-x4v3"), std::string::npos) << missing.error().message;
}

TEST_F(model, an_unknown_name_and_a_missing_file_are_not_found) {
    for (const char* name : {"no-such-model", "no/such/file.pth", "gone.safetensors", ""}) {
        const auto missing = Model::open(name);
        ASSERT_FALSE(missing.ok()) << name;
        EXPECT_EQ(missing.error().code, Errc::not_found) << name;
    }
    EXPECT_NE(Model::open("no-such-model").error().message.find("built in: "), std::string::npos);
    EXPECT_NE(Model::open("gone.safetensors").error().message.find("no such model file"), std::string::npos);
}

TEST_F(model, blending_makes_a_model_between_two) {
    const Model a = must(Model::read(test::to_safetensors(test::compact_weights(1)), "a"));
    const Model b = must(Model::read(test::to_safetensors(test::compact_weights(2)), "b"));
    const Model mixed = must(a.blend(b, 0.3F));
    EXPECT_EQ(mixed.info().name, "a + 30% b");
    const auto weight = [](const Model& m) { return (*m.state()->network.graph.nodes()[1].as<op::Conv2d>()->weights)[7]; };
    EXPECT_FLOAT_EQ(weight(mixed), 0.7F * weight(a) + 0.3F * weight(b));
    const Model other = must(Model::read(test::to_safetensors(test::compact_weights(2, {8, 2, 2, 3})), "c"));
    const auto refused = a.blend(other, 0.3F);
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().code, Errc::argument);
    EXPECT_NE(refused.error().message.find("blending a and c: "), std::string::npos);
}

TEST_F(model, networks_of_the_same_layers_blend_whatever_their_keys) {
    const auto read = [](const StateDict& weights) { return must(Model::read(test::to_safetensors(weights), "m")); };
    const Model real = read(test::rrdb_weights(1, test::RrdbKeys::real)), bsrgan = read(test::rrdb_weights(2, test::RrdbKeys::bsrgan)),
                old = read(test::rrdb_weights(2, test::RrdbKeys::esrgan));
    const auto last_weight = [](const Model& m) { return m.state()->network.graph.nodes().back().as<op::Conv2d>()->weights->back(); };
    const Model mixed = must(real.blend(bsrgan, 0.5F));
    EXPECT_FLOAT_EQ(last_weight(mixed), 0.5F * last_weight(real) + 0.5F * last_weight(bsrgan));
    EXPECT_EQ(last_weight(must(old.blend(real, 0.5F))), last_weight(mixed));
    const Model full = read(test::span_weights(1, test::SpanForm::full)), slim = read(test::span_weights(2, test::SpanForm::slim));
    const auto first_weight = [](const Model& m) { return m.state()->network.graph.nodes()[2].as<op::Conv2d>()->weights->front(); };
    EXPECT_FLOAT_EQ(first_weight(must(full.blend(slim, 0.25F))), 0.75F * first_weight(full) + 0.25F * first_weight(slim));
    const auto refused = real.blend(full, 0.5F);
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().code, Errc::argument);
}

TEST_F(model, every_built_in_model_opens_by_its_name) {
    for (const std::string& name : builtin_models()) {
        const Model opened = must(Model::open(name));
        EXPECT_EQ(opened.info().name, name);
        EXPECT_EQ(opened.info().path, "");
        EXPECT_NE(opened.info().licence, "") << name << " does not say its licence in its metadata";
    }
    if (builtin_models().empty()) GTEST_SKIP() << "this build has no built-in models";
}

}  // namespace
}  // namespace enlarge
