// SPDX-License-Identifier: Apache-2.0
// What `enlarge bench` measures, in a program that needs neither FFmpeg nor libvips: for computers with a GPU on which
// nothing can be installed (bench/gpu_first.sh). One JSON object per line, errors too.
//   gpu_first DEVICE RUNS SIZE[,SIZE...] PRECISION[,...] MODEL...
#include <cstdio>
#include <cstdlib>
#include <sstream>
#include <string>
#include <vector>

#include "enlarge/bench.hpp"
#include "enlarge/models.hpp"

namespace {

std::vector<std::string> split(const std::string& list) {
    std::vector<std::string> parts;
    std::istringstream in(list);
    for (std::string part; std::getline(in, part, ',');) parts.push_back(part);
    return parts;
}

// Messages and names hold no control characters.
std::string quoted(const std::string& text) {
    std::string out = "\"";
    for (const char c : text) out += (c == '"' || c == '\\' ? "\\" : "") + std::string(1, c);
    return out + "\"";
}

int fail(const std::string& model, const enlarge::Error& error) {
    std::printf("{\"model\": %s, \"error\": %s}\n", quoted(model).c_str(), quoted(error.message).c_str());
    std::fflush(stdout);
    return 1;
}

}  // namespace

int main(int count, char** words) {
    if (count < 6) {
        std::fprintf(stderr, "gpu_first DEVICE RUNS SIZE[,SIZE...] PRECISION[,...] MODEL...\n");
        return 2;
    }
    for (const enlarge::DeviceInfo& d : enlarge::devices())
        std::printf("{\"device\": %s, \"name\": %s, \"usable\": %s, \"detail\": %s}\n", quoted(d.id).c_str(), quoted(d.name).c_str(),
                    d.usable ? "true" : "false", quoted(d.detail).c_str());
    int failed = 0;
    for (int i = 5; i < count; ++i) {
        const auto model = enlarge::Model::open(words[i]);
        if (!model) {
            failed += fail(words[i], model.error());
            continue;
        }
        for (const std::string& size : split(words[3]))
            for (const std::string& precision : split(words[4])) {
                enlarge::BenchOptions options;
                options.device = words[1];
                options.runs = std::atoi(words[2]);
                options.stages = true;
                const auto parsed = enlarge::parse_precision(precision);
                if (!parsed || std::sscanf(size.c_str(), "%dx%d", &options.size.width, &options.size.height) != 2) return 2;
                options.precision = *parsed;
                const auto result = enlarge::bench(*model, options);
                if (!result) {
                    failed += fail(model->info().name + " " + size + " " + precision, result.error());
                    continue;
                }
                const enlarge::BenchResult& r = *result;
                std::printf(
                    "{\"model\": %s, \"size\": %s, \"precision\": %s, \"path\": %s, \"median_ms\": %.4f, "
                    "\"device_ms\": %.4f, \"device_fps\": %.2f, "
                    "\"video_fps\": %.2f, \"tflops\": %.2f, \"ceiling_tflops\": %.2f, \"of_ceiling\": %.4f, "
                    "\"copy_gigabytes\": %.1f, "
                    "\"device_memory_mib\": %.1f, \"load_ms\": %.1f, \"calibration_psnr\": %.2f",
                    quoted(r.model).c_str(), quoted(size).c_str(),
                    quoted(std::string(enlarge::precision_name(r.precision))).c_str(), quoted(r.path).c_str(),
                    r.median_ms, r.device_ms, r.device_ms > 0 ? 1000 / r.device_ms : 0.0, r.video_fps, r.gflops / 1000,
                    r.peak_gflops / 1000, r.peak_fraction, r.copy_gigabytes,
                    static_cast<double>(r.device_memory_bytes) / 1048576.0, r.load_ms, r.calibration_psnr);
                for (const enlarge::BenchStage& stage : r.stages)
                    std::printf(", %s: %.4f", quoted("stage_" + stage.name + "_ms").c_str(), stage.milliseconds);
                std::printf("}\n");
                std::fflush(stdout);
            }
    }
    return failed ? 1 : 0;
}
