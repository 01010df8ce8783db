// SPDX-License-Identifier: Apache-2.0
// Published files, where ENLARGE_TEST_DATA names a folder that has them.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <numeric>

#include "unit/weights/builders.hpp"

namespace enlarge {
namespace {

std::string real_folder() {
    const char* data = std::getenv("ENLARGE_TEST_DATA");
    return data ? std::string(data) + "/weights/" : std::string();
}
#define NEED_REAL_FILES()                                                                       \
    const std::string folder = real_folder();                                                   \
    if (folder.empty() || !std::filesystem::exists(folder))                                     \
    GTEST_SKIP() << "SKIPPED: ENLARGE_TEST_DATA does not name a folder with weights/, so no published file was read"

StateDict read_real(const std::string& path) {
    auto weights = read_weights(path);
    EXPECT_TRUE(weights.ok()) << weights.error().message;
    return weights ? std::move(*weights) : StateDict{};
}
std::int64_t elements(const StateDict& weights) {
    std::int64_t count = 0;
    for (const auto& [name, tensor] : weights.tensors) count += static_cast<std::int64_t>(tensor.values.size());
    if (weights.tensors.empty())
        for (const Layer& layer : weights.layers)
            for (const Tensor& tensor : layer.tensors) count += static_cast<std::int64_t>(tensor.values.size());
    return count;
}

TEST(real_weights, every_file_reads_with_its_known_number_of_parameters) {
    NEED_REAL_FILES();
    const std::map<std::string, std::int64_t> expected = {
        {"pth/realesr-animevideov3.pth", 621424},
        {"pth/realesr-general-x4v3-fp16values.pth", 1213296},
        {"pth/realesr-general-wdn-x4v3-fp16values.pth", 1213296},
        {"safetensors/realesr-general-x4v3-fp16.safetensors", 1213296},
        {"safetensors/realesr-general-wdn-x4v3-fp16.safetensors", 1213296},
        {"ncnn/RealESRGAN_General_x4_v3.param", 1213296},
        {"ncnn/RealESRGAN_General_WDN_x4_v3.bin", 1213296},
        {"ncnn/realesr-animevideov3-x2.param", 621424},
        {"ncnn/realesr-animevideov3-x4.bin", 621424},
        {"onnx/realesr-general-x4v3-fp16.onnx", 1213296},
        {"span/team38_span_ch28_slim.pth", 150688},
        {"span/team46_span.pth", 146328},
    };
    for (const auto& [name, count] : expected) EXPECT_EQ(elements(read_real(folder + name)), count) << name;
}

TEST(real_weights, nothing_else_in_the_folder_is_refused_without_a_reason) {
    NEED_REAL_FILES();
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
        if (!entry.is_regular_file()) continue;
        const auto weights = read_weights(entry.path().string());
        if (weights) continue;
        EXPECT_NE(entry.path().string().find("tfjs"), std::string::npos) << weights.error().message;
    }
}

TEST(real_weights, safetensors_in_half_precision_equal_the_pth) {
    NEED_REAL_FILES();
    for (const std::string name : {"realesr-general-x4v3", "realesr-general-wdn-x4v3"}) {
        const StateDict pth = read_real(folder + "pth/" + name + "-fp16values.pth");
        const StateDict half = read_real(folder + "safetensors/" + name + "-fp16.safetensors");
        ASSERT_EQ(pth.tensors.size(), 101U);
        ASSERT_EQ(half.tensors.size(), 101U);
        for (const auto& [key, tensor] : pth.tensors) {
            ASSERT_EQ(half.tensors.count(key), 1U) << key;
            EXPECT_EQ(tensor.shape, half.tensors.at(key).shape) << key;
            EXPECT_TRUE(tensor.values == half.tensors.at(key).values) << key;
        }
    }
}

TEST(real_weights, onnx_and_ncnn_hold_the_same_numbers_as_the_pth) {
    NEED_REAL_FILES();
    const StateDict pth = read_real(folder + "pth/realesr-general-x4v3-fp16values.pth");
    std::vector<const Tensor*> wanted;  // body.0.weight, body.0.bias, body.1.weight, ...
    for (int i = 0; i <= 66; ++i)
        for (const char* part : {".weight", ".bias"})
            if (const auto found = pth.tensors.find("body." + std::to_string(i) + part); found != pth.tensors.end())
                wanted.push_back(&found->second);
    ASSERT_EQ(wanted.size(), 101U);
    for (const char* name : {"ncnn/RealESRGAN_General_x4_v3.param", "onnx/realesr-general-x4v3-fp16.onnx"}) {
        const StateDict other = read_real(folder + name);
        std::size_t at = 0;
        for (const Layer& layer : other.layers) {
            if (layer.type != "Convolution" && layer.type != "Conv" && layer.type != "PReLU" && layer.type != "PRelu") continue;
            for (const Tensor& tensor : layer.tensors) {
                ASSERT_LT(at, wanted.size());
                EXPECT_TRUE(tensor.values == wanted[at]->values) << name << ": " << layer.name;
                ++at;
            }
        }
        EXPECT_EQ(at, wanted.size()) << name;
    }
}

TEST(real_weights, halves_of_the_original_are_what_ncnn_stores) {
    NEED_REAL_FILES();
    const StateDict pth = read_real(folder + "pth/realesr-animevideov3.pth");
    const StateDict ncnn = read_real(folder + "ncnn/realesr-animevideov3-x4.param");
    const auto conv = std::find_if(ncnn.layers.begin(), ncnn.layers.end(), [](const Layer& l) { return l.type == "Convolution"; });
    ASSERT_NE(conv, ncnn.layers.end());
    const Tensor& exact = pth.tensors.at("body.0.weight");
    ASSERT_EQ(conv->tensors.at(0).shape, exact.shape);
    for (std::size_t i = 0; i < exact.values.size(); ++i)
        ASSERT_NEAR(conv->tensors[0].values[i], exact.values[i], 1e-3 * std::abs(exact.values[i]) + 1e-7) << i;
}

TEST(real_weights, any_truncation_of_a_real_file_is_refused) {
    NEED_REAL_FILES();
    for (const std::string name : {"pth/realesr-animevideov3.pth", "safetensors/realesr-general-x4v3-fp16.safetensors", "onnx/realesr-general-x4v3-fp16.onnx"}) {
        const std::string whole = test::file_text(folder + name);
        for (int part = 0; part < 20; ++part)
            EXPECT_FALSE(test::read(whole.substr(0, whole.size() * static_cast<std::size_t>(part) / 20)).ok()) << name << " " << part;
        EXPECT_FALSE(test::read(whole.substr(0, whole.size() - 1)).ok()) << name;
    }
}

}  // namespace
}  // namespace enlarge
