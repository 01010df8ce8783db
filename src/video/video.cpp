// SPDX-License-Identifier: Apache-2.0
// Decide everything, run the line, put the file together.
#include "video/video.hpp"

#include "video/room.hpp"

namespace enlarge::video {

namespace {

Error exists(const Job& job) {
    return {Errc::exists,
            job.standing.taken + ": there already; use --force to overwrite it, or -o with another name"};
}

Result<void> open_journal(Job& job, bool taken) {
    TRY(const JobPlan plan, plan_of(job));
    job.options.segment_frames = static_cast<int>(plan.segment_frames);
    TRY(job.journal, Journal::open(work_folder(job), plan, job.options.restart));
    if (taken && !job.journal->complete()) return exists(job);
    job.held = job.journal->held();
    job.skip = job.journal->frames();
    job.bytes = job.journal->bytes();
    if (job.skip > 0)
        job.notice({"work-resumed", "continuing after " + std::to_string(job.skip) + " frames of an earlier run"});
    job.source->only_video();
    return check_room(job);
}

// Where the packets go.
Result<void> open_output(Job& job) {
    if (job.to_file()) {
        TRY(job.standing, OutputStanding::look(job));
    }
    const bool taken = job.to_file() && !job.options.overwrite && !job.standing.taken.empty();
    // A run that was killed between giving the output its name and removing its journal is finished by the same
    // command.
    if (taken && (job.options.restart || !has_work_folder(job))) return exists(job);
    if (is_address(job.output))
        return Error{Errc::unsupported, "output to an address; write to stdout (-o -) and send that"};
    job.total = job.source->frames_estimate();
    if (job.to_file() && job.source->input().repeatable() && !job.options.live) return open_journal(job, taken);
    if (taken) return exists(job);
    job.mux.path = "-";
    return job.to_file() ? write_beside(job) : Result<void>{};
}

// What to say when the line ended early.
Error stopped(Job& job, Error error) {
    const std::int64_t done = job.journal ? job.journal->frames() : 0;
    const std::string kept = std::to_string(done);
    const auto asked = job.options.cancel.check();  // says whether the time was over
    const std::string reason = asked.ok() ? "" : asked.error().message + ": ";
    job.direct.reset();
    if (error.code == Errc::cancelled)
        error.message = reason + (done > 0 ? "stopped after " + kept + " frames, which are kept; the same command " +
                                                 "continues, and `enlarge join --so-far " + work_folder(job) +
                                                 "` makes a film of what is done"
                                           : "stopped; nothing was kept");
    else if (done > 0)
        error.message += "; " + kept + " finished frames are kept, and the same command continues";
    return error;
}

Result<void> finish(Job& job, VideoReport& report) {
    if (job.journal) {
        if (!job.journal->complete()) TRY(job.journal->finish());
        report.frames_out = job.journal->frames();
        return assemble(job, report.input_cut_short);
    }
    if (!job.direct) return Error{Errc::format, "no frame was written"};
    TRY(job.direct->finish());
    job.bytes = job.direct->bytes();
    report.frames_out = job.encoded;
    if (!job.to_file()) return {};
    auto named = give_final_names(job, job.direct->path());
    if (!named) job.part_folder.clear();  // what is in it stays
    return named;
}

}  // namespace

Result<VideoReport> enlarge_video(const NamedEnlarger& network, const std::string& input, const std::string& output,
                                  const VideoOptions& options) {
    if (options.segment_frames < 1) return Error{Errc::argument, "a segment must have at least one frame"};
    Job job(network, input, output, options);
    TRY(decide(job));
    TRY(open_output(job));

    VideoReport report;
    report.input = job.in.size;
    report.output = job.out.size;
    report.input_format = describe(job.in);
    report.encoder = job.choice.sentence;
    report.computed_share = 0;
    if (!job.journal || !job.journal->complete())
        if (auto ran = run_line(job, report); !ran) return stopped(job, std::move(ran).error());
    if (job.filtered) {
        report.output = job.filtered->size;
        report.encoder = job.filtered->sentence;
    }
    report.resumed_frames = job.skip;
    TRY(finish(job, report));
    const media::Decoder& decoder = job.source->decoder();
    report.frames_in = job.journal && job.decoded == 0 ? report.frames_out : job.decoded.load();
    report.reused_frames = job.reused;
    report.damaged = decoder.damaged();
    report.dropped_frames = job.dropped;
    report.retimed_frames = decoder.retimed();
    report.input_cut_short = report.input_cut_short || job.source->input().cut_short();
    report.output_bytes = job.bytes;
    return report;
}

Result<JobPlan> plan_video(const NamedEnlarger& network, const std::string& input, const std::string& output,
                           const VideoOptions& options) {
    if (options.segment_frames < 1) return Error{Errc::argument, "a segment must have at least one frame"};
    Job job(network, input, output, options);
    TRY(decide(job));
    return plan_of(job);
}

}  // namespace enlarge::video
