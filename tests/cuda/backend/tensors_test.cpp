// SPDX-License-Identifier: Apache-2.0
// Networks that run node by node: every operation's plain kernel on the emulator, against the reference.
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <fstream>
#include <set>

#include "arch/arch.hpp"
#include "backend/cuda/cuda.hpp"
#include "backend/reference/reference.hpp"
#include "fake_cuda.hpp"
#include "support/run_program.hpp"
#include "support/source_folder.hpp"
#include "support/tensor_cases.hpp"
#include "tile/tile.hpp"

namespace enlarge {
namespace {

using test::FloatPicture;
using test::TensorCase;

const int kSomeImage = 1;

std::vector<TensorCase> all_cases() {
    std::vector<TensorCase> all(std::begin(test::kTensorCases), std::end(test::kTensorCases));
    all.insert(all.end(), std::begin(test::kMoreTensorCases), std::end(test::kMoreTensorCases));
    return all;
}

// The backend on a driver that runs the kernels on the emulator.
std::unique_ptr<Backend> emulated() {
    cuda::BackendOptions options;
    options.library = FAKE_CUDA;
    options.images = {&kSomeImage};
    return cuda::make_backend(options);
}

void reset_driver() {
    void* library = dlopen(FAKE_CUDA, RTLD_NOW | RTLD_LOCAL);
    ASSERT_TRUE(library) << dlerror();
    *reinterpret_cast<FakeCuda* (*)()>(dlsym(library, "fake_cuda"))() = FakeCuda{};
}

class cuda_tensors : public testing::TestWithParam<TensorCase> {};

TEST_P(cuda_tensors, compute_what_the_reference_computes) {
    reset_driver();
    const auto backend = emulated();
    const Graph graph = test::tensor_network(GetParam());
    const FloatPicture picture = test::random_picture(8, 3, {20, 12});
    const auto program = test::must(backend->compile(graph, {}));
    EXPECT_NE(program->info().description.find("node by node"), std::string::npos) << program->info().description;
    EXPECT_EQ(program->info().precision, Precision::fp32);
    EXPECT_EQ(program->info().halo == kWholePicture, !graph.receptive_radius().has_value());
    EXPECT_GT(program->memory_bytes({64, 64}), std::int64_t{64 * 64} * 4 * 10);
    const FloatPicture got = test::run_tiled(*program, picture, 1 << 16);
    EXPECT_LE(test::largest_difference(test::run_whole(reference_backend(), graph, picture), got), 1e-4);
}

INSTANTIATE_TEST_SUITE_P(each, cuda_tensors, testing::ValuesIn(all_cases()),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(cuda_tensor_kernels, every_operation_has_been_run) {
    std::set<std::string_view> tried;
    for (const TensorCase& wanted : all_cases()) {
        const Graph graph = test::tensor_network(wanted);
        for (const Node& node : graph.nodes()) tried.insert(node.name());
    }
    EXPECT_EQ(tried.size(), std::variant_size_v<Operation>);
}

// The golden variant of each family, on a picture of the size of its case, rounded up to what the network asks for.
TEST(cuda_tensor_kernels, run_every_family) {
    reset_driver();
    const auto backend = emulated();
    const std::string folder = test::source_folder() + "/tests/golden/data/";
    std::ifstream cases(folder + "family_cases.txt");
    std::string weights, picture_file, expected_file;
    int width = 0, height = 0, channels = 0, scale = 0, ran = 0;
    while (cases >> weights >> picture_file >> width >> height >> channels >> expected_file >> scale) {
        const Graph graph = test::must(recognise(test::must(read_weights(folder + weights)))).graph;
        const auto whole = [&](int side) { return round_up(side, graph.size_multiple()); };
        const FloatPicture picture = test::random_picture(4, channels, {whole(width), whole(height)});
        const FloatPicture expected = test::run_whole(reference_backend(), graph, picture);
        EXPECT_LE(test::largest_difference(expected, test::run_whole(*backend, graph, picture)), 1e-4) << weights;
        ++ran;
    }
    EXPECT_GT(ran, 30);
}

TEST(cuda_tensor_kernels, are_not_for_half_precision) {
    reset_driver();
    CompileOptions options;
    options.precision = Precision::fp16;
    const auto program = emulated()->compile(test::attention_graph(3, true), options);
    ASSERT_FALSE(program.ok());
    EXPECT_EQ(program.error().code, Errc::unsupported);
}

}  // namespace
}  // namespace enlarge
