// SPDX-License-Identifier: Apache-2.0
#include "enlarge/bench.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <vector>

#include "api/model_state.hpp"
#include "backend/backend.hpp"
#include "base/cpu.hpp"
#include "base/thread_pool.hpp"
#include "kernels/table.hpp"

namespace enlarge {
namespace {

using Clock = std::chrono::steady_clock;

double milliseconds_since(Clock::time_point start) {
    return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

// A frame that is neither flat nor pure noise, always the same.
Image frame(Size size) {
    Image image(size, kRgb8);
    std::uint32_t state = 1;
    for (int y = 0; y < size.height; ++y) {
        std::byte* row = image.view().row(0, y);
        for (int x = 0; x < size.width * 3; ++x) {
            state = state * 1664525U + 1013904223U;
            const double wave = std::sin(0.07 * (x / 3) + x % 3) * std::cos(0.05 * y - x % 3);
            const double box = ((x / 27) ^ (y / 7)) & 1 ? 25 : -25;
            row[x] = static_cast<std::byte>(std::clamp(static_cast<int>(128 + 70 * wave + box) + static_cast<int>(state >> 27) - 16, 0, 255));
        }
    }
    return image;
}

// Multiply-adds of floats a second on all threads of the pool at once, in GFLOP/s: the best of a few short bursts.
double measure_peak(ThreadPool& pool, int threads, const KernelTable& table) {
    constexpr std::size_t kRounds = 200'000;
    double best = 0;
    for (int burst = 0; burst < 5; ++burst) {
        const Clock::time_point start = Clock::now();
        std::atomic<int> count{0};
        pool.team(
            [&](int, int) {
                table.fma_rounds(kRounds);
                ++count;
            },
            threads);
        const double flops = static_cast<double>(kRounds) * table.fma_round_flops * count;
        best = std::max(best, flops / milliseconds_since(start) * 1e-6);
    }
    return best;
}

// The kernel keeps the largest resident size; writing 5 to clear_refs starts it anew.
void restart_peak_memory() { std::ofstream("/proc/self/clear_refs") << "5"; }

std::int64_t peak_memory() {
    std::ifstream in("/proc/self/status");
    for (std::string line; std::getline(in, line);)
        if (line.rfind("VmHWM:", 0) == 0) return std::strtoll(line.c_str() + 6, nullptr, 10) * 1024;
    return 0;
}

}  // namespace

Result<BenchResult> bench(const Model& model, const BenchOptions& options) {
    if (options.size.width < 1 || options.size.height < 1 || options.runs < 1 || options.threads < 0)
        return Error{Errc::argument, "a benchmark needs a size of at least 1x1, at least one run and no negative number of threads"};
    const Graph& graph = model.state()->network.graph;
    if (graph.input_channels() != 3) return Error{Errc::unsupported, "benchmarks run on RGB networks"};
    TRY(const Backend* backend, choose_backend(options.device));

    restart_peak_memory();
    ThreadPool pool(options.threads);
    CompileOptions compile;
    compile.precision = options.precision;
    compile.pool = &pool;
    const Clock::time_point start = Clock::now();
    TRY(const std::unique_ptr<Program> program, backend->compile(graph, compile));
    TRY(const std::unique_ptr<Session> session, program->session());
    const ProgramInfo& info = program->info();

    BenchResult result;
    result.model = model.info().name;
    result.size = options.size;
    result.scale = info.scale;
    result.precision = info.precision;
    result.path = info.description;
    result.calibration_psnr = info.calibration_psnr;
    result.threads = pool.size();
    result.runs = options.runs;
    result.load_ms = milliseconds_since(start);

    const auto up = [&](int n) { return (n + info.size_multiple - 1) / info.size_multiple * info.size_multiple; };
    const Size size{up(options.size.width), up(options.size.height)};
    result.working_bytes = program->memory_bytes(size);
    const Image in = frame(size);
    Image out({size.width * info.scale, size.height * info.scale}, kRgb8);
    const TileJob job{in.view(), {0, 0, size.width, size.height}, out.view()};
    const auto once = [&]() -> Result<double> {
        const Clock::time_point begin = Clock::now();
        TRY(const TileReport report, session->run(job));
        if (!report.finite) return Error{Errc::numeric, "the network produced NaN or infinity"};
        return milliseconds_since(begin);
    };
    TRY(const double warm_up, once());
    (void)warm_up;
    std::vector<double> times;
    for (int run = 0; run < options.runs; ++run) {
        TRY(const double time, once());
        times.push_back(time);
    }
    result.peak_memory_bytes = peak_memory();
    std::sort(times.begin(), times.end());
    result.min_ms = times.front();
    result.median_ms = times[times.size() / 2];
    result.fps = 1000 / result.median_ms;
    result.gflops = 2e-6 * graph.macs_per_pixel() * size.width * size.height / result.median_ms;

    if (backend->name() == "cpu") {
        TRY(const Isa isa, chosen_isa());
        result.isa = isa_name(isa);
        result.peak_gflops = measure_peak(pool, 0, kernels(isa));
        result.peak_fraction = result.gflops / result.peak_gflops;
    }
    if (options.stages) {
        session->time_stages(true);
        TRY(const double timed, once());
        (void)timed;
        for (const StageTime& stage : session->stage_times()) result.stages.push_back({stage.name, stage.milliseconds});
    }
    return result;
}

}  // namespace enlarge
