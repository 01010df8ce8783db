// SPDX-License-Identifier: Apache-2.0
// One part of a job. It is made as an interrupted film is continued: segments in a journal, of these frames only.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>

#include "base/log.hpp"
#include "media/place.hpp"
#include "media/sha256.hpp"
#include "video/farm.hpp"

namespace enlarge::video {

namespace {

namespace fs = std::filesystem;
using media::NamedSegment;

// Facts that may differ between machines of one job: where a file lies does not matter, and what is computed is judged
// apart.
constexpr const char* kOfThePlace[] = {"the input's date", "the pictures (sizes and dates)"};
constexpr const char* kArithmetic[] = {"the engine", "the network's results (checksum)"};

bool among(const auto& names, const std::string& name) {
    return std::any_of(std::begin(names), std::end(names), [&](const char* known) { return name == known; });
}

// A finished segment of another folder becomes one of ours: a second name for it, or a copy.
bool take_over(const std::string& from, const std::string& to) {
    ::unlink(to.c_str());
    if (::link(from.c_str(), to.c_str()) == 0) return true;
    std::error_code error;
    return fs::copy_file(from, to, error);
}

// What those who began this part before, and did not end it, have finished.
Result<void> adopt(const FarmFolder& folder, const std::string& own, int number, const JobPlan& plan,
                   Journal& journal) {
    std::error_code error;
    const fs::directory_iterator end;
    for (fs::directory_iterator it(folder.work(), error); !error && it != end; it.increment(error)) {
        const std::string other = it->path().string();
        if (other == own || part_number(it->path().filename().string()) != number) continue;
        const auto theirs = Journal::open(other, plan, false);  // fails while its maker lives
        if (!theirs) continue;
        for (const NamedSegment& one : (*theirs)->list()) {
            if (!take_over(other + "/" + one.name, own + "/" + one.name)) continue;
            if (const auto put = journal.put(one.segment); !put)
                log(LogLevel::debug, "not taken over: " + put.error().message);
        }
        const auto removed = (*theirs)->remove();
        (void)removed;  // what is left there is in nobody's way
    }
    return {};
}

// The segments one behind the other in a new file of the job, and what is said of it.
class Pack {
public:
    static Result<Pack> begin(const std::string& path) {
        TRY(const media::NewFile file, media::create_part(path));
        Pack pack;
        pack.path_ = file.path;
        pack.out_.reset(::fdopen(file.fd, "wb"));
        if (!pack.out_) return pack.failed();
        return pack;
    }
    Pack() = default;
    Pack(Pack&&) = default;
    Pack& operator=(Pack&&) = default;
    ~Pack() {
        if (!out_) return;
        out_.reset();
        ::unlink(path_.c_str());
    }

    Result<void> add(const media::OwnFolder& folder, const NamedSegment& one) {
        TRY(std::FILE* const opened, folder.stream(one.name, "r"));
        const std::unique_ptr<std::FILE, int (*)(std::FILE*)> in(opened, std::fclose);
        segments_.push_back({"", one.segment, bytes_});
        std::vector<char> block(1 << 20);
        std::uint32_t sum = 0;
        std::int64_t bytes = 0;
        for (std::size_t got = 0; (got = std::fread(block.data(), 1, block.size(), in.get())) > 0;) {
            if (std::fwrite(block.data(), 1, got, out_.get()) != got) return failed();
            sum = media::checksum(sum, block.data(), got);
            sha_.add(block.data(), got);
            bytes += static_cast<std::int64_t>(got);
        }
        bytes_ += bytes;
        if (sum == one.segment.sum && bytes == one.segment.bytes) return {};
        return Error{Errc::io, folder.path() + "/" + one.name + ": not what was written there: the disk is failing"};
    }
    // Into place: named by what is in it, so that two makers never share a file unless it is the same.
    Result<void> finish(const FarmFolder& folder, PartFile& part) {
        part.sha256 = sha_.hex();
        part.bytes = bytes_;
        part.file = part_name(part.number) + "-" + part.sha256.substr(0, 16);
        part.segments = std::move(segments_);
        for (NamedSegment& one : part.segments) one.name = part.file;
        if (std::fflush(out_.get()) != 0) return failed();
        TRY(media::place(path_, folder.parts() + "/" + part.file, true));  // puts it on disk first
        std::fclose(out_.release());
        return media::sync_folder_of(folder.parts() + "/" + part.file);
    }

private:
    [[nodiscard]] Error failed() const { return {Errc::io, path_ + ": " + std::strerror(errno)}; }
    struct Close {
        void operator()(std::FILE* file) const { std::fclose(file); }
    };
    std::string path_;
    std::unique_ptr<std::FILE, Close> out_;
    media::Sha256 sha_;
    std::int64_t bytes_ = 0;
    std::vector<NamedSegment> segments_;
};

// Runs the line over the part's frames that the journal does not have yet.
Result<void> run_frames(Job& job, const FrameRange& range, const std::vector<FrameMark>& marks, const JobPart& part,
                        double tick, bool from_key_frame) {
    job.held = job.journal->held();
    job.skip = job.journal->frames();
    if (job.skip == range.count) return {};
    job.planned = std::make_unique<PlannedFrames>(range, marks, from_key_frame && part.from_key_frame);
    job.source->only_video();
    // To the key frame itself: an index that is sorted by decoding times could lead from a later frame to the next one.
    if (from_key_frame && part.from_key_frame) TRY(job.source->jump_to(part.key_frame_s + tick / 2));
    VideoReport report;
    TRY(run_line(job, report));
    if (job.journal->frames() == range.count) return {};
    return Error{Errc::format, "the input gave " + std::to_string(job.journal->frames()) + " of the part's " +
                                   std::to_string(range.count) + " frames: it is not the one that was planned"};
}

Result<void> check_facts(PartWork& work, Job& job) {
    if (work.checked) return {};
    TRY(const JobPlan plan, plan_of(job));
    const std::string why = refusal(work.job, plan.fingerprint, work.allow_mixed);
    if (!why.empty()) return Error{Errc::exists, why};
    work.checked = true;
    return {};
}

// A job of its own for each try: a source is read once.
Result<std::unique_ptr<Job>> begin(PartWork& work, const FrameRange& range) {
    auto job = std::make_unique<Job>(work.network, work.input, work.job.output, work.options);
    TRY(decide_here(*job));
    TRY(check_facts(work, *job));
    job->options.segment_frames = static_cast<int>(work.job.segment_frames);
    job->total = range.count;
    job->room_said = true;  // the output's disk is not where this goes
    return job;
}

}  // namespace

Result<void> decide_here(Job& job) {
    auto decided = decide(job);
    if (decided) return decided;
    if (decided.error().code == Errc::not_found) decided.error().message += "; --input says where the input is here";
    return std::move(decided.error()).within(job.input);
}

std::string refusal(const FarmJob& job, const media::JobFingerprint& found, bool allow_mixed) {
    media::JobFingerprint rest, arithmetic;
    for (const auto& fact : found) {
        if (among(kOfThePlace, fact.first)) continue;
        (among(kArithmetic, fact.first) ? arithmetic : rest).push_back(fact);
    }
    if (const std::string differs = media::differences(job.facts, rest); !differs.empty())
        return "not what was planned: " + differs;
    const std::string differs = allow_mixed ? "" : media::differences(job.facts, arithmetic);
    if (differs.empty()) return "";
    return "this machine does not compute the same bits as the one that planned: " + differs +
           "; --allow-mixed makes a film of both";
}

Result<PartFile> make_part(PartWork& work, int number) {
    if (!work.job.files.empty()) return make_files(work, number);
    const auto start = std::chrono::steady_clock::now();
    const FarmFolder folder{work.job.folder};
    const JobPart& planned = work.job.parts[static_cast<std::size_t>(number)];
    const FrameRange range = range_of(planned);
    const double tick = static_cast<double>(work.job.time_base_num) / work.job.time_base_den;
    TRY(const auto marks, read_marks(folder.frames(), range));
    TRY(auto job, begin(work, range));

    const std::string own = folder.work() + "/" + part_name(number) + "-" + work.worker;
    JobPlan plan = plan_of(work.job);
    plan.parts.clear();  // a journal is written again with every segment
    TRY(job->journal, Journal::open(own, plan, false));
    TRY(adopt(folder, own, number, plan, *job->journal));
    if (job->journal->frames() > 0)
        job->notice({"work-resumed", "goes on with " + std::to_string(job->journal->frames()) + " of the part's " +
                                         std::to_string(range.count) + " frames, which were finished before"});
    auto ran = run_frames(*job, range, marks, planned, tick, true);
    bool from_key_frame = planned.from_key_frame;
    if (!ran && from_key_frame && job->planned && job->planned->differed()) {
        job->notice({"decoded-from-beginning", "decoding from the key frame did not give the planned frames (" +
                                                   ran.error().message + "): the part is decoded from the beginning"});
        from_key_frame = false;
        auto journal = std::move(job->journal);
        TRY(job, begin(work, range));
        job->journal = std::move(journal);
        ran = run_frames(*job, range, marks, planned, tick, false);
    }
    TRY(std::move(ran));

    PartFile part{.number = number, .frames = range};
    part.first_time = marks.front().time;
    part.last_time = marks.back().time;
    part.arithmetic = work.network.description;
    part.decoded_from = from_key_frame ? "key frame" : "beginning";
    part.host = work.worker;
    TRY(Pack pack, Pack::begin(folder.parts() + "/" + part_name(number) + "." + work.worker));
    for (const NamedSegment& one : job->journal->list()) TRY(pack.add(job->journal->folder(), one));
    TRY(pack.finish(folder, part));
    part.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    TRY(write_part(folder, part));
    const auto removed = job->journal->remove();
    (void)removed;  // the part is there
    return part;
}

}  // namespace enlarge::video
