// SPDX-License-Identifier: Apache-2.0
#include "video/room.hpp"

#include <sys/stat.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "video/job.hpp"

namespace enlarge::video {

namespace {

// Bits a pixel at an encoder's usual quality, for filmed material; of a lossless one, the part of the raw size.
struct Appetite {
    const char* codec;
    double crf, bits;
    double of_raw;
};
constexpr Appetite kAppetites[] = {
    {"libx264", 17, 0.15, 0},     {"libx264rgb", 17, 0.3, 0},   {"libx265", 19, 0.10, 0}, {"libsvtav1", 24, 0.07, 0},
    {"libaom-av1", 24, 0.07, 0},  {"libvpx-vp9", 24, 0.1, 0},   {"libvpx", 8, 0.15, 0},   {"ffv1", 0, 0, 0.4},
    {"png", 0, 0, 0.5},           {"apng", 0, 0, 0.5},
    {"gif", 0, 0, 0.3},         {"rawvideo", 0, 0, 1},      {"prores_ks", 0, 0, 0.2}, {"prores", 0, 0, 0.2},
};

std::string size_text(double bytes) {
    char text[40];
    if (bytes < 1e6) std::snprintf(text, sizeof text, "%.0f kB", bytes / 1e3);
    else if (bytes < 1e9) std::snprintf(text, sizeof text, "%.0f MB", bytes / 1e6);
    else std::snprintf(text, sizeof text, "%.1f GB", bytes / 1e9);
    return text;
}

// Bytes that this user may still write to the disk of the output; nothing where the file system does not say.
std::optional<double> free_room(const Job& job) {
    const std::filesystem::path folder = std::filesystem::path(job.output).parent_path();
    struct statvfs info {};
    if (::statvfs(folder.empty() ? "." : folder.c_str(), &info) != 0 || info.f_blocks == 0) return std::nullopt;
    return static_cast<double>(info.f_bavail) * static_cast<double>(info.f_frsize);
}

double asked_bit_rate(const VideoOptions& options) {
    for (const auto& [key, value] : options.encoder_options) {
        if (key != "b" && key != "b:v") continue;
        char* end = nullptr;
        const double number = std::strtod(value.c_str(), &end);
        return number * (*end == 'k' || *end == 'K' ? 1e3 : *end == 'M' ? 1e6 : *end == 'G' ? 1e9 : 1);
    }
    return 0;
}

RoomQuestion question_of(const Job& job) {
    RoomQuestion q;
    const FrameFormat& f = job.out.samples;
    q.codec = job.choice.codec;
    q.pixels = std::int64_t{job.out.size.width} * job.out.size.height;
    const int subsampling = (1 << f.sub_x) * (1 << f.sub_y);
    const double chroma = f.family == FrameFamily::grey ? 0 : 2.0 / subsampling;
    q.raw_bytes_per_frame = static_cast<double>(q.pixels) * (1 + chroma + (f.alpha ? 1 : 0)) * (f.bits > 8 ? 2 : 1);
    q.frames = job.total;
    q.seconds = job.frame_rate.value() > 0 ? static_cast<double>(job.total) / job.frame_rate.value() : 0;
    q.crf = job.options.crf;
    q.bit_rate = asked_bit_rate(job.options);
    struct stat info {};
    if (job.streams.streams.size() > 1 && ::stat(job.input.c_str(), &info) == 0) q.copied_bytes = info.st_size;
    return q;
}

constexpr double kWorthSaying = 100e6;  // bytes; of less nobody wants to hear

}  // namespace

RoomEstimate estimate_output(const RoomQuestion& q) {
    const auto frames = static_cast<double>(q.frames), copied = static_cast<double>(q.copied_bytes);
    if (q.bit_rate > 0) return {q.bit_rate / 8 * q.seconds + copied, false};
    const auto known = std::find_if(std::begin(kAppetites), std::end(kAppetites),
                                    [&](const Appetite& a) { return q.codec == a.codec; });
    if (known == std::end(kAppetites)) return {static_cast<double>(q.pixels) * frames * 0.2 / 8 + copied, false};
    if (known->of_raw > 0) return {q.raw_bytes_per_frame * known->of_raw * frames + copied, known->of_raw == 1};
    // Six steps of quality are a factor of two.
    const double bits = known->bits * std::exp2((known->crf - q.crf.value_or(known->crf)) / 6);
    return {std::min(static_cast<double>(q.pixels) * bits / 8, q.raw_bytes_per_frame) * frames + copied, false};
}

Result<Notice> judge_room(const RoomEstimate& estimate, std::int64_t kept, double free_bytes) {
    const double need = std::max(0.0, 2 * estimate.bytes - static_cast<double>(kept));
    const std::string text = "the output will have about " + size_text(estimate.bytes) + "; until it is whole about " +
                             size_text(need) + (kept > 0 ? " more" : "") + " are needed, and " + size_text(free_bytes) +
                             " are free";
    if (need <= free_bytes) return Notice{"room", text};
    // A tenth is left to what containers think of the number of frames.
    if (estimate.known && 0.9 * (estimate.bytes - static_cast<double>(kept)) > free_bytes)
        return Error{Errc::io, text + ": nothing was begun"};
    return Notice{"room-scarce",
                  "warning: " + text + "; if it fills up, what is finished is kept and the same command continues"};
}

bool is_scarce(const Notice& said) { return said.code == "room-scarce"; }

Result<void> check_room(Job& job) {
    const auto free_bytes = free_room(job);
    if (!free_bytes || job.total <= 0 || job.journal->complete()) return {};
    const RoomEstimate estimate = estimate_output(question_of(job));
    TRY(const Notice said, judge_room(estimate, job.bytes, *free_bytes));
    job.room_said = is_scarce(said);
    if (job.room_said || estimate.bytes >= kWorthSaying) job.notice(said);
    return {};
}

void watch_room(Job& job) {
    const auto free_bytes = free_room(job);
    const std::int64_t frames = job.journal->frames(), bytes = job.journal->bytes();
    if (job.room_said || !free_bytes || job.total <= frames || frames <= 0) return;
    const double all = static_cast<double>(bytes) / static_cast<double>(frames) * static_cast<double>(job.total);
    auto judged = judge_room({all + static_cast<double>(question_of(job).copied_bytes), false}, bytes, *free_bytes);
    if (!judged || !is_scarce(*judged)) return;
    job.room_said = true;
    Notice said = std::move(*judged);
    said.text += " (by the frames that are done)";
    job.notice(said);
}

}  // namespace enlarge::video
