// SPDX-License-Identifier: Apache-2.0
// enlarge bench: how fast networks run here, and how near the faster precisions come to fp32.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "checks.hpp"
#include "command.hpp"
#include "engine_options.hpp"
#include "enlarge/bench.hpp"
#include "quality.hpp"
#include "reporter.hpp"
#include "text.hpp"

namespace cli {
namespace {

struct BenchChoice {
    std::vector<std::string> models{enlarge::kDefaultModel};
    std::vector<std::string> sizes;  // empty: see run() and run_table()
    std::vector<std::string> precisions{"auto"};
    std::vector<int> threads{0};
    std::string device = "auto";
    int runs = 9;
    bool stages = false;
    bool json = false;
    bool table = false;                 // of --models
    std::vector<std::string> pictures;  // of --quality
    int crop = 0;
};

enlarge::Result<enlarge::Size> parse_size(const std::string& text) {
    enlarge::Size size;
    char rest = 0;
    if (std::sscanf(text.c_str(), "%dx%d%c", &size.width, &size.height, &rest) != 2 || size.width < 1 || size.height < 1 ||
        size.width > 65536 || size.height > 65536)
        return enlarge::Error{enlarge::Errc::argument, "--size '" + text + "' should be WIDTHxHEIGHT, such as 1280x720"};
    return size;
}

void print_json(const enlarge::BenchResult& r, double open_ms) {
    JsonLine line("bench");
    line.add("model", r.model).add("width", r.size.width).add("height", r.size.height).add("scale", r.scale)
        .add("precision", std::string(enlarge::precision_name(r.precision))).add("threads", r.threads).add("isa", r.isa)
        .add("path", r.path).add("runs", r.runs).add("median_ms", r.median_ms).add("min_ms", r.min_ms).add("fps", r.fps)
        .add("gflops", r.gflops).add("peak_gflops", r.peak_gflops).add("peak_fraction", r.peak_fraction)
        .add("peak_memory_bytes", r.peak_memory_bytes).add("working_bytes", r.working_bytes).add("open_ms", open_ms).add("load_ms", r.load_ms)
        .add("calibration_psnr", r.calibration_psnr).add("device_ms", r.device_ms)
        .add("device_fps", r.device_ms > 0 ? 1000 / r.device_ms : 0.0).add("video_fps", r.video_fps)
        .add("copy_gigabytes", r.copy_gigabytes).add("device_memory_bytes", r.device_memory_bytes);
    for (const enlarge::BenchStage& stage : r.stages) line.add(("stage_" + stage.name + "_ms").c_str(), stage.milliseconds);
    std::printf("%s\n", line.text().c_str());
    std::fflush(stdout);
}

void print_row(const enlarge::BenchResult& r, double open_ms) {
    const std::string size = std::to_string(r.size.width) + "x" + std::to_string(r.size.height);
    std::printf("%-24s %9s %6s %3d %9.1f %9.1f %8.2f %8.0f %7.0f%% %8.0f %7.0f %7.0f  %s\n", printable(r.model).c_str(), size.c_str(),
                std::string(enlarge::precision_name(r.precision)).c_str(), r.threads, r.median_ms, r.min_ms, r.fps, r.gflops,
                100 * r.peak_fraction, static_cast<double>(r.peak_memory_bytes) / 1048576.0, open_ms, r.load_ms, r.path.c_str());
    if (r.device_ms > 0) {
        std::printf("    GPU: the network alone %.2f ms, %.1f frames/s, %.*f %s; ", r.device_ms, 1000 / r.device_ms,
                    r.gflops < 100 ? 2 : 1, r.gflops < 100 ? r.gflops : r.gflops / 1000,
                    r.gflops < 100 ? "GFLOP/s" : "TFLOP/s");
        if (r.peak_gflops > 0) std::printf("%.1f TFLOP/s measured at most; ", r.peak_gflops / 1000);
        if (r.video_fps > 0)
            std::printf("NV12 from and to host memory %.1f frames/s (%.0f %%); ", r.video_fps,
                        0.1 * r.video_fps * r.device_ms);
        std::printf("%.0f MiB of GPU memory", static_cast<double>(r.device_memory_bytes) / 1048576.0);
        if (r.copy_gigabytes > 0) std::printf("; a large copy %.0f GB/s", r.copy_gigabytes);
        std::printf("\n");
    }
    if (!r.stages.empty()) {
        std::printf("    stages, ms:");
        for (const enlarge::BenchStage& stage : r.stages) std::printf("  %s %.1f", stage.name.c_str(), stage.milliseconds);
        std::printf("\n");
    }
    std::fflush(stdout);
}

int run_quality(const BenchChoice& choice) {
    QualityChoice quality{choice.pictures, choice.precisions, choice.device, choice.threads.front(), choice.crop, choice.json};
    int broken = 0;
    if (!choice.json) print_quality_header();
    for (const std::string& name : choice.models) {
        EngineChoice engine;
        const auto model = open_model(name, engine);
        if (!model) return fail(model.error());
        const auto result = print_quality(*model, quality);
        if (!result) return fail(result.error());
        broken += *result;
    }
    return broken ? kNumeric : kOk;
}

std::string milliseconds(double ms) { return ms < 1000 ? fixed(ms, 0) + " ms" : fixed(ms / 1000, ms < 10000 ? 2 : 1) + " s"; }

// Every built-in network on a small frame, one of 720p and a photo of 12 megapixels, or on the sizes that were given, as a table
// for documents.
int run_table(const BenchChoice& choice) {
    constexpr double kFewRuns = 4e6;  // pixels: so large a picture takes many seconds
    std::vector<enlarge::Size> sizes;
    std::string head = "| model | multiplications per input pixel |", line = "| --- | ---: |";
    for (const std::string& text : choice.sizes.empty() ? std::vector<std::string>{"320x180", "1280x720", "4000x3000"} : choice.sizes) {
        const auto size = parse_size(text);
        if (!size) return fail(size.error());
        sizes.push_back(*size);
        head += " " + text + " |";
        line += " ---: |";
    }
    if (!choice.json) std::printf("%s path |\n%s --- |\n", head.c_str(), line.c_str());
    for (const std::string& name : enlarge::builtin_models()) {
        const auto model = enlarge::Model::open(name);
        if (!model) return fail(model.error());
        std::string row = "| " + name + " | " + fixed(model->info().macs_per_pixel, 0), path;
        for (const enlarge::Size size : sizes) {
            std::fflush(stdout);
            enlarge::BenchOptions options;
            options.size = size;
            options.device = choice.device;
            options.threads = choice.threads.front();
            options.runs = static_cast<double>(size.width) * size.height > kFewRuns ? std::min(choice.runs, 2) : choice.runs;
            const auto result = enlarge::bench(*model, options);
            if (!result) return fail(result.error());
            if (interrupted()) return kInterrupted;
            if (choice.json) print_json(*result, 0);
            row += " | " + milliseconds(result->median_ms);
            path = result->path;
        }
        if (!choice.json) std::printf("%s | %s |\n", row.c_str(), path.c_str());
    }
    return kOk;
}

int run(const BenchChoice& choice) {
    say_notes();
    if (!choice.pictures.empty()) return run_quality(choice);
    if (choice.table) return run_table(choice);
    if (!choice.json)
        std::printf("%-24s %9s %6s %3s %9s %9s %8s %8s %8s %8s %7s %7s  %s\n", "model", "size", "prec", "thr", "median ms",
                    "min ms", "fps", "GFLOP/s", "of peak", "mem MiB", "open ms", "load ms", "path");
    std::fflush(stdout);
    for (const std::string& name : choice.models) {
        EngineChoice engine;
        const auto start = std::chrono::steady_clock::now();
        const auto model = open_model(name, engine);
        if (!model) return fail(model.error());
        const double open_ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
        for (const std::string& size_text : choice.sizes.empty() ? std::vector<std::string>{"320x180"} : choice.sizes)
            for (const std::string& precision_text : choice.precisions)
                for (const int threads : choice.threads) {
                    enlarge::BenchOptions options;
                    const auto size = parse_size(size_text);
                    if (!size) return fail(size.error());
                    const auto precision = enlarge::parse_precision(precision_text);
                    if (!precision) return fail(precision.error());
                    options.size = *size;
                    options.precision = *precision;
                    options.device = choice.device;
                    options.threads = threads;
                    options.runs = choice.runs;
                    options.stages = choice.stages;
                    const auto result = enlarge::bench(*model, options);
                    if (!result) return fail(result.error());
                    choice.json ? print_json(*result, open_ms) : print_row(*result, open_ms);
                    if (interrupted()) return kInterrupted;
                }
    }
    return kOk;
}

}  // namespace

Action define_bench(CLI::App& app) {
    auto choice = std::make_shared<BenchChoice>();
    app.add_option("-m,--model", choice->models, "Networks: names or weight files")->type_name("NAME|FILE")->delimiter(',')->group("What");
    app.add_option("--size", choice->sizes, "Sizes of the input frame (default: 320x180)")->type_name("WxH")->delimiter(',')->group("What");
    app.add_option("--precision", choice->precisions, "auto, fp32, fp16, int16, int8")->type_name("NAME")->delimiter(',')->capture_default_str()->group("What");
    app.add_option("--threads", choice->threads, "Numbers of threads; 0 = all cores")->type_name("N")->delimiter(',')->check(whole(0, 1024))->capture_default_str()->group("What");
    app.add_option("--device", choice->device, "auto, cpu, cuda, cuda:N, vulkan:N, reference")->type_name("NAME")->capture_default_str()->group("What");
    app.add_option("--runs", choice->runs, "Frames measured, after one that warms up")->type_name("N")->check(whole(1, 100'000))->capture_default_str()->group("What");
    app.add_flag("--models", choice->table, "Instead: every built-in network, by default at 320x180, 1280x720 and 4000x3000, as a Markdown table of medians")->group("What");
    app.add_flag("--stages", choice->stages, "Show where the time goes")->group("Output");
    app.add_option("--quality", choice->pictures, "Instead: PSNR and the largest difference to fp32 on these pictures, and whether the precision keeps its promise")->type_name("FILE|FOLDER")->group("What");
    app.add_option("--crop", choice->crop, "With --quality: only the middle of each picture, at most so many pixels wide and high")->type_name("N")->check(whole(1, 1'000'000))->group("What");
    app.add_flag("--json", choice->json, "One JSON object per measurement and line")->group("Output");
    return [choice] { return run(*choice); };
}

}  // namespace cli
