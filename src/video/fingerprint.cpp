// SPDX-License-Identifier: Apache-2.0
// Everything that changes packets: what must be the same for unfinished work to be continued, here or elsewhere.
#include <sys/stat.h>

#include <filesystem>
#include <limits>

#include "base/text.hpp"
#include "base/version.hpp"
#include "image/format.hpp"
#include "media/input.hpp"
#include "video/job.hpp"

namespace enlarge::video {

namespace {

using media::JobFingerprint;

// A picture that is neither flat nor smooth, always the same.
Image probe_picture() {
    Image probe({24, 24}, kRgbF32Planar);
    std::uint32_t state = 1;
    for (int p = 0; p < 3; ++p)
        for (int y = 0; y < 24; ++y) {
            auto* row = reinterpret_cast<float*>(probe.view().row(p, y));
            for (int x = 0; x < 24; ++x) {
                state = state * 1664525u + 1013904223u;
                row[x] = static_cast<float>(state >> 8) / 16777216.0f;
            }
        }
    return probe;
}

// What the network makes of a fixed picture says which network, precision and kernels it is.
Result<std::string> network_fingerprint(const NamedEnlarger& network) {
    const Image probe = probe_picture();
    const int side = 24 * network.scale;
    Image result({side, side}, kRgbF32Planar);
    TRY(network.enlarger->run(probe.view(), result.view(), {}, InputKind::frame));
    std::uint64_t hash = media::kHashStart;
    for (int p = 0; p < 3; ++p)
        for (int y = 0; y < side; ++y)
            hash = media::hash(hash, result.view().row(p, y), static_cast<std::size_t>(side) * sizeof(float));
    return media::hex(hash);
}

std::string joined(const std::vector<std::pair<std::string, std::string>>& options) {
    std::string out;
    for (const auto& [key, value] : options) {
        if (!out.empty()) out += ' ';
        for (const char c : key + "=" + value) out += c == ' ' || c == '\\' ? std::string{'\\', c} : std::string{c};
    }
    return out;
}

// Of numbered pictures: how many there are, and what their sizes and dates are.
JobFingerprint pictures_fingerprint(const std::string& pattern, int first_number) {
    std::uint64_t hash = media::kHashStart;
    int count = 0;
    char name[4096];
    for (int i = first_number;; ++i, ++count) {
        struct stat info {};
        if (!media::sequence_name(pattern, i, name, sizeof name) || ::stat(name, &info) != 0) break;
        const std::int64_t numbers[3] = {info.st_size, info.st_mtim.tv_sec, info.st_mtim.tv_nsec};
        hash = media::hash(hash, numbers, sizeof numbers);
    }
    return {{"the number of pictures", std::to_string(count)}, {"the pictures (sizes and dates)", media::hex(hash)}};
}

JobFingerprint options_fingerprint(const Job& job) {
    const VideoOptions& o = job.options;
    const Size size = job.choice.size;
    return {
        {"the output size", std::to_string(size.width) + "x" + std::to_string(size.height)},
        {"the encoder", job.choice.sentence},
        {"--crf", o.crf ? exact(*o.crf) : ""},
        {"--preset", o.preset},
        {"the encoder's own parameters", job.choice.parameters},
        {"--encoder-option", joined(o.encoder_options)},
        {"the container", job.request.container},
        {"--container-option", joined(o.container_options)},
        {"--skip-unsupported", o.skip_unsupported ? "on" : "off"},
        {"--input-format", o.input_format},
        {"--input-option", joined(o.input_options)},
        {"--frame-rate", exact(o.frame_rate)},
        {"--from", exact(o.from_s)},
        {"--to", exact(o.to_s)},
        {"--filter-before", o.filter_before},
        {"--filter-after", o.filter_after},
        {"deinterlacing", o.deinterlace ? "on" : "off"},
        {"--square-pixels", o.square_pixels ? "on" : "off"},
        {"--segment-frames", std::to_string(o.segment_frames)},
        {"--codec-threads", std::to_string(o.codec_threads)},
        {"--gpu-decode", o.gpu_decode ? "on" : "off"},
        {"enlarge", version()},
        {"FFmpeg's libraries", media::library_versions()},
    };
}

}  // namespace

Result<JobFingerprint> network_facts(const NamedEnlarger& network) {
    TRY(std::string results, network_fingerprint(network));
    return JobFingerprint{{"the network", network.model},
                          {"the network's weights (checksum)", network.enlarger->engine().graph_hash()},
                          {"the engine", network.description},
                          {"the network's results (checksum)", std::move(results)}};
}

Result<JobPlan> plan_of(Job& job) {
    JobPlan plan;
    plan.input = job.input;
    plan.output = job.output;
    std::error_code ignored;
    if (is_pattern(job.input) && !std::filesystem::exists(job.input, ignored)) {
        plan.fingerprint = pictures_fingerprint(job.input, job.source->input().first_number());
    } else {
        TRY(plan.fingerprint, media::file_fingerprint(job.input));
    }
    TRY(auto network, network_facts(job.network));
    for (auto& fact : network) plan.fingerprint.push_back(std::move(fact));
    for (auto& fact : options_fingerprint(job)) plan.fingerprint.push_back(std::move(fact));
    plan.segment_frames = job.options.segment_frames;
    if (job.stateful()) plan.segment_frames = std::numeric_limits<int>::max();  // all frames in one
    return plan;
}

}  // namespace enlarge::video
