// SPDX-License-Identifier: Apache-2.0
// The whole backend (compile, session, run) on a driver that runs the kernels on the emulator, against the reference.
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <cmath>

#include "backend/cuda/cuda.hpp"
#include "backend/reference/reference.hpp"
#include "fake_cuda.hpp"
#include "support/run_program.hpp"

namespace enlarge {
namespace {

using test::FloatPicture;

const int kSomeImage = 1;

class CudaBackendTest : public testing::Test {
protected:
    void SetUp() override {
        void* library = dlopen(FAKE_CUDA, RTLD_NOW | RTLD_LOCAL);
        ASSERT_TRUE(library) << dlerror();
        fake_ = reinterpret_cast<FakeCuda* (*)()>(dlsym(library, "fake_cuda"))();
        *fake_ = FakeCuda{};
        make();
    }
    void TearDown() override {
        backend_.reset();
        EXPECT_STREQ(fake_->error, "");
        EXPECT_EQ(fake_->bytes_in_use, 0);
    }
    void make(int calibration_side = 0) {
        cuda::BackendOptions options;
        options.library = FAKE_CUDA;
        options.image = &kSomeImage;
        options.calibration_side = calibration_side;
        backend_ = cuda::make_backend(options);
    }
    FloatPicture truth(const Graph& graph, const FloatPicture& picture) { return test::run_whole(reference_backend(), graph, picture); }
    FloatPicture run(const Graph& graph, const FloatPicture& picture, Precision precision) {
        return test::run_whole(*backend_, graph, picture, nullptr, precision);
    }

    FakeCuda* fake_ = nullptr;
    std::unique_ptr<Backend> backend_;
};

double psnr(const FloatPicture& a, const FloatPicture& b) {
    double sum = 0;
    for (std::size_t i = 0; i < a.values.size(); ++i) sum += std::pow(static_cast<double>(a.values[i]) - b.values[i], 2);
    return -10 * std::log10(sum / static_cast<double>(a.values.size()) + 1e-30);
}

// fp16 within 60 dB and one step of 8 bits of the truth.
void expect_close(const FloatPicture& truth, const FloatPicture& got) {
    ASSERT_EQ(truth.values.size(), got.values.size());
    EXPECT_GE(psnr(truth, got), 60);
    EXPECT_LE(test::largest_difference(truth, got), 1.0 / 255);
}

TEST_F(CudaBackendTest, computes_a_compact_network_in_both_precisions) {
    const Graph graph = test::compact_graph(1, {.features = 64, .convs = 2, .scale = 4});
    const FloatPicture picture = test::random_picture(2, 3, {37, 21});
    const FloatPicture expected = truth(graph, picture);
    EXPECT_LE(test::largest_difference(expected, run(graph, picture, Precision::fp32)), 1e-4);
    expect_close(expected, run(graph, picture, Precision::fp16));
    EXPECT_GT(fake_->kernels, 0);
}

}  // namespace
}  // namespace enlarge
