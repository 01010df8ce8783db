// SPDX-License-Identifier: Apache-2.0
// Networks that run node by node: every operation's plain kernel on the emulator, against the reference.
#include <dlfcn.h>
#include <gtest/gtest.h>

#include "backend/cuda/cuda.hpp"
#include "fake_cuda.hpp"
#include "support/node_by_node.hpp"

namespace enlarge {
namespace {

using test::TensorCase;

const int kSomeImage = 1;

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
    const auto program = test::must(backend->compile(graph, {}));
    EXPECT_NE(program->info().description.find("node by node"), std::string::npos) << program->info().description;
    test::expect_the_reference(*program, graph);
}

INSTANTIATE_TEST_SUITE_P(each, cuda_tensors, testing::ValuesIn(test::all_tensor_cases()),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(cuda_tensor_kernels, every_operation_has_been_run) { test::expect_every_operation(); }

TEST(cuda_tensor_kernels, run_every_family) {
    reset_driver();
    test::expect_every_family(*emulated());
}

// Long sums are cut into parts, with a rest: those of a small picture have one.
TEST(cuda_tensor_kernels, sum_large_pictures_in_parts) {
    reset_driver();
    const auto backend = emulated();
    int found = 0;
    for (const TensorCase& wanted : test::all_tensor_cases()) {
        const std::string_view name = wanted.name;
        if (name != "norms_of_the_picture" && name != "channel_attention" && name != "squeeze_and_excite") continue;
        const Graph graph = test::tensor_network(wanted);
        const test::FloatPicture picture = test::random_picture(8, 3, {132, 68});
        const test::FloatPicture expected = test::run_whole(reference_backend(), graph, picture);
        EXPECT_LE(test::largest_difference(expected, test::run_whole(*backend, graph, picture)), 1e-4) << name;
        ++found;
    }
    EXPECT_EQ(found, 3);
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
