// SPDX-License-Identifier: Apache-2.0
#include "backend/vulkan/self_check.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <sstream>

#include "backend/cpu/cpu.hpp"
#include "base/own_file.hpp"
#include "base/version.hpp"
#include "graph/hash.hpp"

namespace enlarge::vulkan {
namespace {

constexpr int kVersion = 4;        // raised whenever the picture, the bound or the kernels change
constexpr double kBound = 1e-3;    // a quarter of a step of 8 bits; sums in another order differ by a hundredth of it
constexpr double kHalfDb = 58, kHalfLargest = 1.0 / 255, kSamePsnr = 120;
constexpr int kSide = 24, kHalfSide = 48, kTimedSide = 96;

// Gradients, edges and texture.
Image check_picture(const ProgramInfo& info, int wanted, std::optional<Size> own) {
    const int side = (wanted + info.size_multiple - 1) / info.size_multiple * info.size_multiple;
    const Size size = own.value_or(Size{side, side});
    Image picture(size, {SampleType::f32, 32, static_cast<std::uint8_t>(info.channels), true});
    std::uint32_t noise = 7;
    for (int c = 0; c < info.channels; ++c)
        for (int y = 0; y < size.height; ++y) {
            auto* row = reinterpret_cast<float*>(picture.view().row(c, y));
            for (int x = 0; x < size.width; ++x) {
                noise = noise * 1664525U + 1013904223U;
                const float texture = static_cast<float>(noise >> 24) / 255.0F;
                row[x] = 0.1F + 0.3F * static_cast<float>((x / 5 + y / 7 + c) & 1) +
                         0.4F * static_cast<float>(x + y) / static_cast<float>(size.width + size.height) +
                         0.1F * texture;
            }
        }
    return picture;
}

struct Outcome {
    Image picture;
    bool finite = true;
    double ms = 0;
};

Result<Outcome> enlarged(const Program& program, int side, int runs, std::optional<Size> own) {
    const Image in = check_picture(program.info(), side, own);
    const int scale = program.info().scale;
    const Size size = in.size();
    Outcome outcome{Image({size.width * scale, size.height * scale}, in.format())};
    TRY(const auto session, program.session());
    for (int i = 0; i < runs; ++i) {
        const auto start = std::chrono::steady_clock::now();
        TRY(const TileReport report,
            session->run({in.view(), {0, 0, size.width, size.height}, outcome.picture.view()}));
        outcome.ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
        outcome.finite = report.finite;
    }
    return outcome;
}

void compare(const Image& truth, const Image& got, Verdict& verdict) {
    double most = 0, largest = 1, squares = 0;
    const Size size = truth.size();
    for (int c = 0; c < truth.format().channels; ++c)
        for (int y = 0; y < size.height; ++y) {
            const auto* a = reinterpret_cast<const float*>(truth.view().row(c, y));
            const auto* b = reinterpret_cast<const float*>(got.view().row(c, y));
            for (int x = 0; x < size.width; ++x) {
                const double d = std::fabs(static_cast<double>(a[x]) - static_cast<double>(b[x]));
                most = d > most || std::isnan(d) ? d : most;
                largest = std::max(largest, std::fabs(static_cast<double>(a[x])));
                const double seen = std::fabs(static_cast<double>(std::clamp(a[x], 0.0F, 1.0F)) -
                                              static_cast<double>(std::clamp(b[x], 0.0F, 1.0F)));
                verdict.largest = std::max(verdict.largest, seen);
                squares += seen * seen;
            }
        }
    verdict.difference = most / largest;
    const double mean = squares / (static_cast<double>(size.width) * size.height * truth.format().channels);
    verdict.psnr = mean > 0 ? std::min(kSamePsnr, -10 * std::log10(mean)) : kSamePsnr;
}

std::string hex(std::uint64_t number) {
    char text[20];
    std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(number));
    return text;
}

std::uint64_t fnv(const std::string& text) {
    std::uint64_t sum = 14695981039346656037U;
    for (const char c : text) sum = (sum ^ static_cast<std::uint8_t>(c)) * 1099511628211U;
    return sum;
}

}  // namespace

bool Verdict::good(Precision precision) const {
    if (precision == Precision::fp32) return finite && difference <= kBound;
    return finite && psnr >= kHalfDb && largest <= kHalfLargest;
}

std::string verdict_name(const Graph& graph, const Facts& facts, Numbers numbers) {
    std::string whose = facts.name + "\n" + facts.driver + "\n" + std::to_string(facts.driver_version) + "\n" +
                        enlarge::version() + "\n" + std::to_string(kVersion) + " " +
                        std::to_string(static_cast<int>(numbers));
    whose.append(reinterpret_cast<const char*>(facts.device_uuid), VK_UUID_SIZE);
    whose.append(reinterpret_cast<const char*>(facts.driver_uuid), VK_UUID_SIZE);
    const GraphHash network = hash(graph);
    return hex(network.high) + hex(network.low) + "-" + hex(fnv(whose));
}

std::optional<Verdict> load_verdict(const std::string& folder, const std::string& name) {
    if (folder.empty()) return {};
    const auto text = read_own_file(folder + "/vulkan-" + name + ".check", 4096);
    if (!text) return {};
    std::istringstream in(*text);
    std::string first, whose, end;
    Verdict verdict;
    int version = 0;
    in >> first >> version >> whose >> verdict.finite >> verdict.difference >> verdict.psnr;
    in >> verdict.largest >> verdict.device_ms >> verdict.cpu_ms >> end;
    const bool sane = verdict.difference >= 0 && verdict.psnr >= 0 && verdict.largest >= 0 &&
                      verdict.device_ms >= 0 && verdict.cpu_ms >= 0;
    if (!in || first != "enlarge-vulkan-check" || version != kVersion || whose != name || end != "end") return {};
    if (!sane) return {};
    return verdict;
}

void store_verdict(const std::string& folder, const std::string& name, const Verdict& verdict) {
    if (folder.empty() || !std::isfinite(verdict.difference)) return;
    std::ostringstream out;
    out.precision(17);
    out << "enlarge-vulkan-check " << kVersion << "\n" << name << "\n" << verdict.finite << " " << verdict.difference
        << " " << verdict.psnr << " "
        << verdict.largest << " " << verdict.device_ms << " " << verdict.cpu_ms << "\nend\n";
    write_own_file(folder + "/vulkan-" + name + ".check", out.str());
}

Result<Verdict> judge(const Graph& graph, const Program& program, ThreadPool* pool, bool timed) {
    CompileOptions exact;
    exact.precision = Precision::fp32;
    exact.pool = pool;
    TRY(const auto cpu, cpu_backend().compile(graph, exact));
    const Precision precision = program.info().precision;
    const int side = precision == Precision::fp32 ? kSide : kHalfSide;
    const std::optional<Size> own = graph.own_size();
    TRY(const Outcome truth, enlarged(*cpu, side, 1, own));
    TRY(const Outcome got, enlarged(program, side, 1, own));
    Verdict verdict;
    verdict.finite = got.finite || !truth.finite;
    if (truth.finite && got.finite) compare(truth.picture, got.picture, verdict);
    // Pixels that were never written may be anything.
    if (!std::isfinite(verdict.difference) || !std::isfinite(verdict.psnr)) verdict = {.finite = false};
    if (!timed || !verdict.good(precision)) return verdict;
    CompileOptions fastest = exact;
    fastest.precision = Precision::automatic;
    TRY(const auto rival, cpu_backend().compile(graph, fastest));
    TRY(const Outcome there, enlarged(program, kTimedSide, 2, own));
    TRY(const Outcome here, enlarged(*rival, kTimedSide, 2, own));
    verdict.device_ms = there.ms;
    verdict.cpu_ms = here.ms;
    return verdict;
}

}  // namespace enlarge::vulkan
