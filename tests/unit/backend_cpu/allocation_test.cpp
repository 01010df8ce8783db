// SPDX-License-Identifier: Apache-2.0
// Counts what a warm session takes from the heap: nothing.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "backend/cpu/cpu.hpp"
#include "support/run_program.hpp"

namespace {
std::atomic<long> allocations{0};
}

void* operator new(std::size_t bytes) {
    ++allocations;
    if (void* p = std::malloc(bytes ? bytes : 1)) return p;
    throw std::bad_alloc();
}
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
    ++allocations;
    return std::malloc(bytes ? bytes : 1);
}
void operator delete(void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }

namespace enlarge {
namespace {

TEST(cpu, a_warm_session_allocates_nothing) {
    ThreadPool pool(3);
    CompileOptions options;
    options.pool = &pool;
    for (const Precision precision : {Precision::fp32, Precision::fp16, Precision::int16}) {
        options.precision = precision;
        const auto program = test::must(cpu_backend().compile(test::rrdb_graph(3, {.features = 16, .growth = 8}), options));
        const auto session = test::must(program->session());
        Image in({48, 40}, kRgb8), out({192, 160}, kRgb8);
        for (int y = 0; y < 40; ++y)
            for (int x = 0; x < 144; ++x) in.view().row(0, y)[x] = static_cast<std::byte>(x * y);
        const auto run = [&](const Rect& part) {
            const Rect core{0, 0, part.width, part.height};
            const Result<TileReport> report = session->run(
                {std::as_const(in).view().part(part), core, out.view().part({part.x * 4, part.y * 4, part.width * 4, part.height * 4})});
            EXPECT_TRUE(report.ok());
        };
        // The first sizes warm it up; the same and smaller ones then need nothing new.
        run({0, 0, 48, 40});
        run({0, 0, 20, 40});
        const long before = allocations;
        run({0, 0, 48, 40});
        run({0, 0, 48, 40});
        run({0, 0, 20, 40});
        EXPECT_EQ(allocations - before, 0) << precision_name(precision);
    }
}

}  // namespace
}  // namespace enlarge
