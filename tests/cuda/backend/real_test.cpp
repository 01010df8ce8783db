// SPDX-License-Identifier: Apache-2.0
// Published weights through the whole backend on the emulator, where ENLARGE_TEST_DATA names a folder that has them.
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>

#include "arch/arch.hpp"
#include "backend/cuda/cuda.hpp"
#include "backend/reference/reference.hpp"
#include "enlarge/picture.hpp"
#include "fake_cuda.hpp"
#include "support/run_program.hpp"
#include "weights/state_dict.hpp"

namespace enlarge {
namespace {

const int kSomeImage = 1;

TEST(cuda_real_weights, stay_within_60_db_and_one_step_in_half_precision) {
    const char* data = std::getenv("ENLARGE_TEST_DATA");
    if (!data || !std::filesystem::exists(std::string(data) + "/weights"))
        GTEST_SKIP() << "SKIPPED: ENLARGE_TEST_DATA does not name a folder with weights/";
    void* library = dlopen(FAKE_CUDA, RTLD_NOW | RTLD_LOCAL);
    ASSERT_TRUE(library) << dlerror();
    FakeCuda& fake = *reinterpret_cast<FakeCuda* (*)()>(dlsym(library, "fake_cuda"))();
    fake = FakeCuda{};
    cuda::BackendOptions options;
    options.library = FAKE_CUDA;
    options.images = {&kSomeImage};
    options.calibration_side = 0;
    const auto backend = cuda::make_backend(options);
    int found = 0;
    for (const char* name : {"safetensors/realesr-general-x4v3-fp16.safetensors", "pth/realesr-animevideov3.pth", "span/team46_span.pth"}) {
        SCOPED_TRACE(name);
        const std::string path = std::string(data) + "/weights/" + name;
        if (!std::filesystem::exists(path)) continue;
        ++found;
        const Network network = test::must(recognise(test::must(read_weights(path))));
        const test::FloatPicture picture = test::random_picture(5, 3, {34, 14});
        test::FloatPicture expected = test::run_whole(reference_backend(), network.graph, picture);
        test::FloatPicture got = test::run_whole(*backend, network.graph, picture, nullptr, Precision::fp16);
        double sum = 0, worst = 0;
        for (std::size_t i = 0; i < got.values.size(); ++i) {
            const double d = std::fabs(std::clamp(static_cast<double>(got.values[i]), 0.0, 1.0) - std::clamp(static_cast<double>(expected.values[i]), 0.0, 1.0));
            sum += d * d;
            worst = std::max(worst, d);
        }
        const double psnr = -10 * std::log10(sum / static_cast<double>(got.values.size()) + 1e-30);
        std::printf("%s: fp16 %.1f dB, at most %.2f of 255 off\n", name, psnr, worst * 255);
        EXPECT_GE(psnr, 60);
        EXPECT_LE(worst, 1.0 / 255);
    }
    EXPECT_GT(found, 0);
    EXPECT_STREQ(fake.error, "");
}

// 8 bits on pictures that no calibration saw: the gate's promise.
TEST(cuda_real_weights, in_8_bits_stay_within_45_db_on_real_pictures) {
    const char* data = std::getenv("ENLARGE_TEST_DATA");
    const std::string folder = data ? data : "", path = folder + "/weights/pth/realesr-animevideov3.pth";
    if (!std::filesystem::exists(path)) GTEST_SKIP() << "SKIPPED: ENLARGE_TEST_DATA does not name a folder with weights/pth/realesr-animevideov3.pth";
    void* library = dlopen(FAKE_CUDA, RTLD_NOW | RTLD_LOCAL);
    ASSERT_TRUE(library) << dlerror();
    FakeCuda& fake = *reinterpret_cast<FakeCuda* (*)()>(dlsym(library, "fake_cuda"))();
    fake = FakeCuda{};
    fake.lazy = false;
    cuda::BackendOptions options;
    options.library = FAKE_CUDA;
    options.images = {&kSomeImage};
    options.calibration_side = 0;
    options.scene_side = 48;
    const auto backend = cuda::make_backend(options);
    CompileOptions compile;
    compile.precision = Precision::int8;
    const Network network = test::must(recognise(test::must(read_weights(path))));
    const auto program = backend->compile(network.graph, compile);
    if (!program.ok()) {  // the gate may refuse; what it lets through must keep the promise
        std::printf("animevideov3 int8: %s\n", program.error().message.c_str());
        EXPECT_EQ(program.error().code, Errc::unsupported);
        EXPECT_STREQ(fake.error, "");
        return;
    }
    std::printf("animevideov3 int8: %s, %.1f dB on the unseen scene\n", (*program)->info().description.c_str(), (*program)->info().calibration_psnr);
    const auto session = test::must((*program)->session());
    int seen = 0;
    for (const char* name : {"Kodak24/1.png", "Kodak24/4.png", "Kodak24/13.png", "Kodak24/20.png", "Kodak24/22.png"}) {
        const std::string file = folder + "/images/" + name;
        if (!std::filesystem::exists(file)) continue;
        const Image whole = test::must(test::must(Picture::open(file)).load());
        if (whole.format().channels != 3 || whole.format().sample != SampleType::u8 || whole.format().planar || whole.size().width < 96 || whole.size().height < 96) continue;
        ++seen;
        const Size size{40, 32};
        test::FloatPicture crop(3, size);
        for (int y = 0; y < size.height; ++y)
            for (int x = 0; x < size.width; ++x)
                for (int c = 0; c < 3; ++c)
                    crop.at(c, x, y) = static_cast<float>(whole.view().row(0, y + whole.size().height / 2 - 20)[3 * (x + whole.size().width / 2 - 20) + c]) / 255.0F;
        const test::FloatPicture exact = test::run_whole(reference_backend(), network.graph, crop);
        const Rect all{0, 0, size.width, size.height};
        const test::FloatPicture got = test::run_tile(*session, (*program)->info(), crop, all, all);
        double sum = 0;
        for (std::size_t i = 0; i < got.values.size(); ++i)
            sum += std::pow(std::clamp(static_cast<double>(got.values[i]), 0.0, 1.0) - std::clamp(static_cast<double>(exact.values[i]), 0.0, 1.0), 2);
        const double psnr = -10 * std::log10(sum / static_cast<double>(got.values.size()) + 1e-30);
        std::printf("  %s: %.1f dB\n", name, psnr);
        EXPECT_GE(psnr, 45) << name;
    }
    EXPECT_GT(seen, 2);
    EXPECT_STREQ(fake.error, "");
}

}  // namespace
}  // namespace enlarge
