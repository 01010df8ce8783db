// SPDX-License-Identifier: Apache-2.0
// Counts what a warm frame through the public Upscaler takes from the heap, in any thread: nothing.
#include <enlarge/enlarge.hpp>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>
#include <string>
#include <utility>

namespace {
std::atomic<long> allocations{0};
}

#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
// Everything goes through these, operator new too.
extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);

void* malloc(std::size_t bytes) {
    ++allocations;
    return __libc_malloc(bytes);
}
void* calloc(std::size_t count, std::size_t bytes) {
    ++allocations;
    return __libc_calloc(count, bytes);
}
void* realloc(void* old, std::size_t bytes) {
    ++allocations;
    return __libc_realloc(old, bytes);
}
void* aligned_alloc(std::size_t alignment, std::size_t bytes) {
    ++allocations;
    return __libc_memalign(alignment, bytes);
}
}
#else
void* operator new(std::size_t bytes) {
    ++allocations;
    if (void* p = std::malloc(bytes ? bytes : 1)) return p;
    throw std::bad_alloc();
}
void operator delete(void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }
#endif

namespace {

using namespace enlarge;

Image picture(Size size, const PixelFormat& format) {
    Image image(size, format);
    for (int y = 0; y < size.height; ++y)
        for (int i = 0; i < size.width * format.channels; ++i) image.view().row(0, y)[i] = std::byte((i * 5 + y * 3) & 255);
    return image;
}

TEST(allocation, is_counted) {
    const long before = allocations;
    const Image image({100, 100}, kRgb8);
    EXPECT_GT(allocations - before, 0);
}

TEST(upscaler, allocates_nothing_for_a_warm_frame) {
    const PixelFormat grey{SampleType::u8, 8, 1, false}, rgba{SampleType::u8, 8, 4, false};
    struct Case {
        const char* name;
        EngineOptions options;
        PixelFormat format;
        Size out;
    };
    const Case cases[] = {
        {"fp32", {.precision = Precision::fp32}, kRgb8, {352, 240}},
        {"auto", {}, kRgb8, {352, 240}},
        {"one thread, tiles", {.precision = Precision::fp32, .threads = 1, .tile = 32}, kRgb8, {352, 240}},
        {"grey", {.precision = Precision::fp32}, grey, {352, 240}},
        {"alpha", {.precision = Precision::fp32}, rgba, {352, 240}},
        {"alpha by Lanczos", {.precision = Precision::fp32, .alpha = AlphaMode::lanczos}, rgba, {352, 240}},
        {"resampled", {.precision = Precision::fp32}, kRgb8, {264, 180}},
        {"symmetries", {.precision = Precision::fp32, .tta = true}, kRgb8, {352, 240}},
    };
    for (const Case& c : cases) {
        auto upscaler = Upscaler::create(Model::open("swift-x4").value(), c.options);
        ASSERT_TRUE(upscaler) << upscaler.error().message;
        const Image in = picture({88, 60}, c.format);
        Image out(c.out, c.format);
        double seen = 0;
        const Progress progress = [&](double fraction) {
            seen = fraction;
            return true;
        };
        // The second frame may still be the first to meet a thread or a buffer of its own.
        for (int i = 0; i < 2; ++i) ASSERT_TRUE(upscaler->upscale(in.view(), out.view(), progress)) << c.name;
        const long before = allocations;
        bool good = true;
        for (int i = 0; i < 3; ++i) good = good && upscaler->upscale(in.view(), out.view(), progress).ok();
        const long taken = allocations - before;
        EXPECT_EQ(taken, 0) << c.name << ": in three frames";
        EXPECT_TRUE(good);
        EXPECT_EQ(seen, 1.0);
    }
}

}  // namespace
