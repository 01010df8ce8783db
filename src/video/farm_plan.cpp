// SPDX-License-Identifier: Apache-2.0
// The plan of a job: a whole decode of the input, and the division of its frames.
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <limits>

#include "media/place.hpp"
#include "media/sha256.hpp"
#include "base/version.hpp"
#include "video/farm.hpp"
#include "video/farm_files.hpp"

namespace enlarge::video {

namespace {

namespace fs = std::filesystem;

// What a whole decode of the input saw.
struct SeenInput {
    std::vector<FrameMark> marks;
    media::Rational time_base{1, 1};
    std::vector<std::int64_t> keys;  // times of packets that decoding may begin with
    bool one_time_base = true;
};

Result<void> make_folders(const FarmFolder& folder) {
    std::error_code error;
    if (folder.path.empty() || (fs::exists(folder.path, error) && !fs::is_directory(folder.path, error)))
        return Error{Errc::argument, "'" + folder.path + "': a job is a folder; --job with a name for one"};
    TRY(const media::Standing there, media::standing(folder.job()));
    if (there != media::Standing::nothing)
        return Error{Errc::exists, folder.path + ": a job is there already; --job with another folder, or remove it"};
    for (const std::string& path : {folder.path, folder.parts(), folder.claims(), folder.work(), folder.logs()}) {
        fs::create_directories(path, error);
        if (error) return Error{Errc::io, path + ": " + error.message()};
    }
    return {};
}

// As Demux and Decode do it, without what comes after them.
Result<SeenInput> decode_all(Job& job) {
    SeenInput seen;
    VideoSource& source = *job.source;
    source.only_video();
    seen.keys = source.primed_keys();
    const int stream = source.input().video_stream();
    job.began = std::chrono::steady_clock::now();
    for (bool more = true; more;) {
        TRY(job.options.cancel.check());
        if (job.options.progress && job.options.progress(job.progress_now()) != VideoControl::go_on)
            return Error{Errc::cancelled, "stopped while the input was looked through; nothing was kept"};
        TRY(const media::Packet packet, source.read());
        more = static_cast<bool>(packet);
        if (more && packet.stream() != stream) continue;
        if (more && packet.key() && packet.time()) seen.keys.push_back(*packet.time());
        TRY(source.decode(packet, [&](const media::Frame& frame) -> Result<void> {
            if (seen.marks.empty()) seen.time_base = frame.time_base;
            seen.one_time_base = seen.one_time_base && frame.time_base == seen.time_base;
            seen.marks.push_back(mark_of(frame));
            job.encoded = static_cast<std::int64_t>(seen.marks.size());
            return {};
        }));
    }
    std::sort(seen.keys.begin(), seen.keys.end());
    if (seen.marks.empty()) return Error{Errc::format, "the input has no frame"};
    for (std::size_t i = 1; i < seen.marks.size(); ++i)
        if (seen.marks[i].time <= seen.marks[i - 1].time)
            return Error{Errc::unsupported, "the times of frames " + std::to_string(i - 1) + " and " +
                                                std::to_string(i) + " do not follow each other: not to be divided"};
    return seen;
}

// Where decoding from a key frame gives the frames of a whole decode: tests/media/farm_test.cpp compares them for each
// of these. Elsewhere what lies before matters, or no index leads to the place.
bool may_begin_at_key_frame(const Job& job, const SeenInput& seen) {
    const media::Input& input = job.source->input();
    const std::string format = input.format_name();
    const bool indexed = format.rfind("matroska", 0) == 0 || format.rfind("mov,", 0) == 0;
    const std::string codec = input.streams()[static_cast<std::size_t>(input.video_stream())].codec;
    constexpr const char* kProven[] = {"h264", "hevc", "vp8", "vp9", "av1", "mjpeg", "ffv1", "prores"};
    const bool proven = std::any_of(std::begin(kProven), std::end(kProven), [&](const char* k) { return codec == k; });
    const media::Decoder& decoder = job.source->decoder();
    const media::Filters& filters = job.source->filters();
    const bool memory = !job.options.filter_before.empty() || filters.deinterlacing() || filters.resizing() ||
                        input.interlaced();
    return indexed && proven && !memory && decoder.retimed() == 0 && decoder.damaged() == 0 &&
           seen.time_base == input.time_base() && !job.options.gpu_decode;
}

std::vector<JobPart> parts_of(const JobPlan& plan, const SeenInput& seen, bool from_keys) {
    const double tick = seen.time_base.value();
    const auto mark = [&](std::int64_t number) { return seen.marks[static_cast<std::size_t>(number)].time; };
    std::vector<JobPart> parts;
    for (const FrameRange& range : plan.parts) {
        JobPart part{range.first, range.count};
        part.first_s = static_cast<double>(mark(range.first)) * tick;
        part.last_s = static_cast<double>(mark(range.end() - 1)) * tick;
        part.pre_roll = range.first;
        const auto after = std::upper_bound(seen.keys.begin(), seen.keys.end(), mark(range.first));
        if (from_keys && range.first > 0 && after != seen.keys.begin()) {
            const std::int64_t key = *std::prev(after);
            const auto from = std::lower_bound(seen.marks.begin(), seen.marks.end(), key,
                                               [](const FrameMark& m, std::int64_t time) { return m.time < time; });
            const std::int64_t skipped = from - seen.marks.begin();  // none: that is the beginning
            part.from_key_frame = skipped > 0;
            part.key_frame_s = static_cast<double>(key) * tick;
            part.pre_roll = range.first - skipped;
        }
        parts.push_back(part);
    }
    return parts;
}

// How many parts make chunks of so many seconds.
int parts_for(const SeenInput& seen, const JobPlan& plan, double chunk_s) {
    const auto frames = static_cast<double>(seen.marks.size());
    const std::int64_t ticks = seen.marks.back().time - seen.marks.front().time;
    const double length = static_cast<double>(ticks) * seen.time_base.value();
    const double segment_s = length / frames * static_cast<double>(plan.segment_frames);
    const double segments = std::ceil(frames / static_cast<double>(plan.segment_frames));
    if (!(segment_s > 0)) return 1;
    return static_cast<int>(std::clamp(std::ceil(segments / std::max(1.0, std::round(chunk_s / segment_s))), 1.0, 1e6));
}

// Seconds that the network takes here: the second of two runs.
Result<double> measure(const NamedEnlarger& network, Size from, Size to) {
    Image in(from, kRgbF32Planar);
    for (int p = 0; p < 3; ++p)
        for (int y = 0; y < from.height; ++y)
            std::memset(in.view().row(p, y), 0, static_cast<std::size_t>(from.width) * sizeof(float));
    Image out(to, kRgbF32Planar);
    double seconds = 0;
    for (int i = 0; i < 2 && seconds < 5; ++i) {
        const auto start = std::chrono::steady_clock::now();
        TRY(network.enlarger->run(std::as_const(in).view(), out.view(), {}, InputKind::frame));
        seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    }
    return seconds;
}

Result<void> check_request(const JobRequest& request) {
    if (request.parts < 0 || request.parts > 1'000'000)
        return Error{Errc::argument, std::to_string(request.parts) + " parts; 1 to 1000000 are possible"};
    if (!(request.chunk_s > 0) || !(request.lease_s >= 1))
        return Error{Errc::argument, "chunks must last more than 0 s, and the lease at least 1 s"};
    return {};
}

std::string sha256_of(const std::string& text) {
    media::Sha256 sum;
    sum.add(text.data(), text.size());
    return sum.hex();
}

// What every job says of itself.
FarmJob named_job(const NamedEnlarger& network, Precision precision, const std::string& input,
                  const std::string& output, const std::string& folder, const JobRequest& request) {
    FarmJob job;
    job.folder = folder;
    job.input = input;
    job.output = output;
    job.options = request.options;
    job.model = network.model;
    job.arithmetic = network.description;
    job.precision = std::string(precision_name(precision));
    job.lease_s = request.lease_s;
    return job;
}

// What the files are; and how many pixels they have, all together.
Result<std::int64_t> look_at_files(const std::string& input, const VideoOptions& options, std::vector<JobFile>& files) {
    std::int64_t pixels = 0, count = 0;
    for (JobFile& file : files) {
        TRY(options.cancel.check());
        VideoProgress progress;
        progress.frames = ++count;
        progress.frames_total = static_cast<std::int64_t>(files.size());
        progress.fraction = static_cast<double>(count) / static_cast<double>(files.size());
        if (options.progress && options.progress(progress) != VideoControl::go_on)
            return Error{Errc::cancelled, "stopped while the files were looked at; nothing was kept"};
        TRY(const FileSum sum, sum_of((fs::path(input) / file.input).string()));
        file.bytes = sum.bytes;
        file.sha256 = sum.sha256;
        pixels += file.pixels;
    }
    return pixels;
}

}  // namespace

Result<FarmJob> plan_farm(const NamedEnlarger& network, Precision precision, const std::string& input,
                          const std::string& output, const VideoOptions& options, const std::string& folder,
                          const JobRequest& request) {
    Job job(network, input, output, options);
    TRY(check_request(request));
    if (!job.may_be_journalled())
        return Error{Errc::unsupported, input + ": a job needs files on both ends: no pipe, no address, not --live"};
    const FarmFolder where{folder};
    TRY(decide(job));
    if (!job.source->input().repeatable())
        return Error{Errc::unsupported, input + ": not a file that can be read again"};
    TRY(job.standing, OutputStanding::look(job));
    if (!job.options.overwrite && !job.standing.taken.empty())
        return Error{Errc::exists, job.standing.taken + ": there already; --force lets `enlarge join` replace it, or " +
                                       "-o with another name"};
    TRY(make_folders(where));
    job.total = job.source->frames_estimate();
    TRY(const SeenInput seen, decode_all(job));
    TRY(JobPlan plan, plan_of(job));
    plan.frames = static_cast<std::int64_t>(seen.marks.size());
    const int count = request.parts > 0 ? request.parts : parts_for(seen, plan, request.chunk_s);
    TRY(divide(plan, seen.one_time_base ? count : 1));

    FarmJob farm = named_job(network, precision, input, output, folder, request);
    farm.facts = plan.fingerprint;
    farm.frames = plan.frames;
    farm.segment_frames = plan.segment_frames;
    farm.time_base_num = seen.time_base.num;
    farm.time_base_den = seen.time_base.den;
    farm.parts = parts_of(plan, seen, may_begin_at_key_frame(job, seen));
    farm.tasks = std::max(request.parts, static_cast<int>(farm.parts.size()));
    TRY(farm.seconds_per_frame, measure(network, job.in.size, job.out.size));
    const std::string list = text_of(seen.marks);
    farm.frames_sha256 = sha256_of(list);
    TRY(write_whole(where.frames(), list));
    TRY(write_job(farm));
    return farm;
}

Result<FarmJob> plan_files(const NamedEnlarger& network, Precision precision, const std::string& input,
                           const std::string& output, const VideoOptions& options, const std::string& folder,
                           const JobRequest& request, const media::JobFingerprint& facts) {
    constexpr int kSide = 256;  // of what is measured
    TRY(check_request(request));
    const FarmFolder where{folder};
    FarmJob farm = named_job(network, precision, input, output, folder, request);
    farm.files = request.files;
    farm.frames = static_cast<std::int64_t>(farm.files.size());
    farm.segment_frames = farm.time_base_num = 1;
    TRY(const auto named, text_of(farm.files));  // before anything is made
    TRY(make_folders(where));
    TRY(const std::int64_t pixels, look_at_files(input, options, farm.files));
    TRY(farm.facts, network_facts(network));
    farm.facts.emplace_back("enlarge", version());
    farm.facts.insert(farm.facts.end(), facts.begin(), facts.end());
    TRY(const double seconds, measure(network, {kSide, kSide}, {kSide * network.scale, kSide * network.scale}));
    const double all = seconds / (kSide * kSide) * static_cast<double>(pixels);
    farm.seconds_per_frame = all / static_cast<double>(farm.frames);
    JobPlan plan;
    plan.frames = farm.frames;
    plan.segment_frames = 1;
    const double chunks = std::clamp(std::ceil(all / request.chunk_s), 1.0, 1e6);
    TRY(divide(plan, request.parts > 0 ? request.parts : static_cast<int>(chunks)));
    for (const FrameRange& range : plan.parts) farm.parts.push_back({range.first, range.count});
    farm.tasks = std::max(request.parts, static_cast<int>(farm.parts.size()));
    TRY(const std::string list, text_of(farm.files));
    farm.frames_sha256 = sha256_of(list);
    TRY(write_whole(where.files(), list));
    TRY(write_job(farm));
    return farm;
}

}  // namespace enlarge::video
