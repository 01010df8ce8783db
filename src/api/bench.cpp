// SPDX-License-Identifier: Apache-2.0
#include "enlarge/bench.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <functional>
#include <string_view>
#include <vector>

#include "api/engine_state.hpp"
#include "api/model_state.hpp"
#include "backend/backend.hpp"
#include "backend/frames.hpp"
#include "backend/own_size.hpp"
#include "base/cpu.hpp"
#include "base/thread_pool.hpp"
#include "kernels/table.hpp"
#include "run/ordered_workers.hpp"

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
        pool.parallel(
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

double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
}

// NV12 frames from and to host memory through two sessions at a time, as a video's go; frames a second.
Result<double> video_rate(const Program& program, Size size, int runs) {
    const int scale = program.info().scale;
    FrameFormat format;
    format.semi_planar = true;
    format.tags = guess_missing({}, size, false);
    format.tags.siting = ChromaSiting::left;
    TRY(program.takes_frames(format, format));
    struct Lane {
        std::unique_ptr<Session> session;
        std::vector<std::uint8_t> in, out;
        FrameSurface from, to;
    };
    std::array<Lane, 2> lanes;
    std::uint32_t state = 1;
    for (Lane& lane : lanes) {
        TRY(lane.session, program.session());
        const auto surface = [&](std::vector<std::uint8_t>& bytes, Size s) {
            const auto width = static_cast<std::size_t>((s.width + 1) / 2 * 2), height = static_cast<std::size_t>(s.height);
            bytes.resize(width * height + width * ((height + 1) / 2));
            for (std::uint8_t& b : bytes) b = static_cast<std::uint8_t>((state = state * 1664525U + 1013904223U) >> 24);
            FrameSurface f;
            f.format = format;
            f.size = s;
            f.plane = {reinterpret_cast<std::uint64_t>(bytes.data()), reinterpret_cast<std::uint64_t>(bytes.data() + width * height), 0};
            f.pitch_bytes = {static_cast<std::int64_t>(width), static_cast<std::int64_t>(width), 0};
            return f;
        };
        lane.from = surface(lane.in, size);
        lane.to = surface(lane.out, {size.width * scale, size.height * scale});
    }
    OrderedWorkers workers(static_cast<int>(lanes.size()));
    const auto frames = [&](int count) -> Result<void> {
        for (int begun = 0, done = 0; done < count; ++done) {
            for (; begun < count && workers.under_way() < workers.size(); ++begun)
                TRY(workers.submit([&](int worker) -> Result<void> {
                    Lane& lane = lanes[static_cast<std::size_t>(worker)];
                    TRY(lane.session->frames()->run_frame(lane.from, lane.to));
                    return {};
                }));
            TRY(workers.next());
        }
        return {};
    };
    TRY(frames(4));  // graphs are recorded, memory is taken
    const int count = std::max(8, 2 * runs);
    const Clock::time_point start = Clock::now();
    TRY(frames(count));
    return 1000.0 * count / milliseconds_since(start);
}

// What only devices with memory of their own have.
Result<void> measure_gpu(const Graph& graph, const Program& program, Session& session, Size size, const std::function<Result<double>()>& once,
                         int runs, BenchResult& result) {
    std::vector<double> times;
    for (int run = 0; run < runs; ++run) {
        session.time_stages(true);
        TRY(const double whole, once());
        (void)whole;
        for (const StageTime& stage : session.stage_times())
            if (stage.name == "network") times.push_back(stage.milliseconds);
    }
    session.time_stages(false);
    ENSURE(!times.empty());
    result.device_ms = median(times);
    result.gflops = 2e-6 * graph.macs_per_pixel() * size.width * size.height / result.device_ms;
    const auto rate = video_rate(program, size, runs);
    if (rate.ok()) result.video_fps = *rate;
    else if (rate.error().code != Errc::unsupported && rate.error().code != Errc::memory) return rate.error();
    result.device_memory_bytes = program.peak_device_bytes();
    const auto ceiling = program.measure_ceiling();
    if (!ceiling.ok()) return ceiling.error().code == Errc::unsupported ? Result<void>() : ceiling.error();
    result.peak_gflops = ceiling->gflops;
    result.peak_fraction = result.gflops / ceiling->gflops;
    result.copy_gigabytes = ceiling->copy_gigabytes;
    return {};
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
    TRY(const int device, device_index(options.device));
    compile.device = std::max(0, device);  // one GPU is measured
    const Clock::time_point start = Clock::now();
    TRY(const std::unique_ptr<Program> program, enlarge::compile(*backend, graph, compile));
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
        TRY(options.cancel.check());
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

    if (backend->kind() == DeviceKind::cpu) {
        TRY(const Isa isa, chosen_isa());
        result.isa = isa_name(isa);
        result.peak_gflops = measure_peak(pool, 0, kernels(isa));
        result.peak_fraction = result.gflops / result.peak_gflops;
    }
    if (program->peak_device_bytes() > 0) TRY(measure_gpu(graph, *program, *session, size, once, options.runs, result));
    if (options.stages) {
        session->time_stages(true);
        TRY(const double timed, once());
        (void)timed;
        for (const StageTime& stage : session->stage_times()) result.stages.push_back({stage.name, stage.milliseconds});
    }
    return result;
}

}  // namespace enlarge
