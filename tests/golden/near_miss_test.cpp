// SPDX-License-Identifier: Apache-2.0
// Files of every family of which one tensor is missing, one too many, renamed or of another shape: nothing is loaded,
// and the message names a tensor. With ENLARGE_TEST_ALL those of
// ENLARGE_TEST_DATA/golden too.
#include <algorithm>
#include <functional>

#include "golden.hpp"
#include "graph/hash.hpp"

namespace enlarge {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> files() {
    std::vector<std::string> all;
    for (const char* list : {"cases.txt", "family_cases.txt"})
        for (const test::GoldenCase& golden : test::golden_cases(list))
            all.push_back(test::golden_path(golden.weights));
    const char* data = std::getenv("ENLARGE_TEST_DATA");
    if (data && *data && std::getenv("ENLARGE_TEST_ALL"))
        for (const fs::directory_entry& entry : fs::recursive_directory_iterator(std::string(data) + "/golden"))
            if (entry.path().stem() == "weights") all.push_back(entry.path().string());
    return all;
}

// What only this tensor tells, so that the file is another network without it, or with another shape of it.
bool told_by_it_alone(const std::string& name) {
    return name == "pro" || name == "no_norm" || name.ends_with("relative_position_bias_table") ||
           name.ends_with("relative_position_bias") || name.ends_with("qkv.bias") || name.ends_with("attn.bias") ||
           name.ends_with("attn.temp");
}

// Whether the message quotes a tensor that the file has, or lacks, or the module of the one that was changed.
bool names_a_tensor(const std::string& message, const StateDict& damaged, const std::string& changed) {
    for (std::size_t begin = message.find('\''); begin != std::string::npos; begin = message.find('\'', begin + 1)) {
        const std::size_t end = message.find('\'', begin + 1);
        if (end == std::string::npos) return false;
        const std::string quoted = message.substr(begin + 1, end - begin - 1);
        if (damaged.tensors.contains(quoted) || quoted == changed || changed.starts_with(quoted + ".")) return true;
        begin = end;
    }
    return false;
}

class near_miss : public testing::TestWithParam<std::string> {
protected:
    // Changes one tensor of the file, and expects a refusal or the same network.
    void expect_refusal(const std::string& what, const std::string& name,
                        const std::function<void(StateDict&)>& change) {
        SCOPED_TRACE(what + " " + name);
        StateDict damaged = whole_;
        change(damaged);
        const auto network = recognise(damaged);
        ++tried_;
        if (network.ok()) {
            EXPECT_TRUE(told_by_it_alone(name) || hash(network->graph) == hash_) << "another network was loaded";
            return;
        }
        ++refused_;
        const Error& error = network.error();
        EXPECT_TRUE(error.code == Errc::format || error.code == Errc::unsupported) << error.message;
        EXPECT_TRUE(names_a_tensor(error.message, damaged, name)) << error.message;
        EXPECT_EQ(error.message.find("supported are"), std::string::npos) << error.message;
        EXPECT_LE(error.message.size(), 400U) << error.message;
    }

    StateDict whole_;
    GraphHash hash_;
    int tried_ = 0, refused_ = 0;
};

TEST_P(near_miss, is_refused_and_a_tensor_is_named) {
    whole_ = test::must(read_weights(GetParam()));
    const auto network = recognise(whole_);
    if (!network.ok()) {
        EXPECT_EQ(network.error().code, Errc::unsupported) << network.error().message;
        return;
    }
    hash_ = hash(network->graph);
    for (const auto& [name, tensor] : whole_.tensors) {
        const std::vector<std::int64_t>& shape = tensor.shape;
        expect_refusal("without", name, [&](StateDict& file) { file.tensors.erase(name); });
        expect_refusal("renamed", name, [&](StateDict& file) {
            file.tensors[name + "_"] = file.tensors.at(name);
            file.tensors.erase(name);
        });
        if (shape.size() >= 2 && shape[0] != shape[1])
            expect_refusal("transposed", name, [&](StateDict& file) {
                std::swap(file.tensors.at(name).shape[0], file.tensors.at(name).shape[1]);
            });
        for (std::size_t side = 0; side < shape.size(); ++side)
            if (shape[side] > 0)
                expect_refusal("one more along side " + std::to_string(side) + " of", name, [&](StateDict& file) {
                    Tensor& longer = file.tensors.at(name);
                    ++longer.shape[side];
                    longer.values.edit().resize(longer.values.size() / static_cast<std::size_t>(shape[side]) *
                                             static_cast<std::size_t>(shape[side] + 1),
                                         0.01F);
                });
    }
    expect_refusal("more", "zz.extra.weight", [](StateDict& file) { file.tensors["zz.extra.weight"] = {{2}, {1, 2}}; });
    EXPECT_GT(refused_ * 2, tried_ - refused_) << "most changes are noticed";
}

TEST(near_misses, say_what_is_missing_and_what_was_expected) {
    const auto refusal = [](const char* file, const std::function<void(StateDict&)>& change) {
        StateDict damaged = test::must(read_weights(test::golden_path(file)));
        change(damaged);
        const auto network = recognise(damaged);
        return network.ok() ? std::string("(accepted)") : network.error().message;
    };
    EXPECT_EQ(refusal("family_swinir.safetensors", [](StateDict& w) { w.tensors.erase("conv_first.weight"); }),
              "tensor 'conv_first.weight' is missing, though 'conv_first.bias' is there");
    EXPECT_EQ(refusal("family_swinir.safetensors",
                      [](StateDict& w) { w.tensors.erase("layers.0.residual_group.blocks.0.norm1.weight"); }),
              "this seems to be SwinIR, but tensor 'layers.0.residual_group.blocks.0.norm1.weight' is missing");
    EXPECT_EQ(refusal("family_esc.safetensors", [](StateDict& w) { w.tensors.erase("plk_filter"); }),
              "this seems to be ESC, but tensor 'plk_filter' is missing");
    // Where traces of whole modules hold it, a constant must be what the network is made with.
    const auto with_base = [&](float first) {
        return refusal("family_fdat_lda.safetensors", [&](StateDict& w) {
            std::string prefix;
            for (const auto& [name, tensor] : w.tensors) {
                const auto at = name.find("relative_position_bias_table");
                if (name.starts_with("upsampler.") && at != name.npos) prefix = name.substr(0, at);
            }
            std::vector<float> around;
            for (int tap = 0; tap < 9; ++tap)
                for (const int place : {tap / 3, tap % 3}) around.push_back(static_cast<float>(place - 1));
            around[0] = first;
            w.tensors[prefix + "base_offset"] = {{1, 18, 1, 1}, std::move(around)};
        });
    };
    EXPECT_EQ(with_base(-1), "(accepted)");
    EXPECT_NE(with_base(-2).find("base_offset' are other places"), std::string::npos) << with_base(-2);
    EXPECT_EQ(refusal("family_swinir.safetensors",
                      [](StateDict& w) {
                          Tensor& weights = w.tensors.at("conv_after_body.weight");
                          auto& values = weights.values.edit();
                          values.resize(values.size() / static_cast<std::size_t>(weights.shape[0]) *
                                        static_cast<std::size_t>(weights.shape[0] + 1));
                          ++weights.shape[0];
                      })
                  .substr(0, 34),
              "tensor 'conv_after_body.weight' is");
    // Not a network of ours, though it has names that ours have.
    StateDict other;
    other.tensors["conv_first.weight"] = {{8, 3, 3, 3}, std::vector<float>(216)};
    other.tensors["body.0.mixer.weight"] = {{8, 8}, std::vector<float>(64)};
    const auto network = recognise(other);
    ASSERT_FALSE(network.ok());
    EXPECT_EQ(network.error().message.find("no network that is known"), 0U) << network.error().message;
}

std::string name_of(const testing::TestParamInfo<std::string>& info) {
    const fs::path file(info.param);
    std::string name = file.stem() == "weights" ? file.parent_path().parent_path().filename().string() + "_" +
                                                      file.parent_path().filename().string()
                                                : file.filename().string();
    for (char& c : name)
        if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
    return name;
}

INSTANTIATE_TEST_SUITE_P(families, near_miss, testing::ValuesIn(files()), name_of);

}  // namespace
}  // namespace enlarge
