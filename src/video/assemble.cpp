// SPDX-License-Identifier: Apache-2.0
// The final file: the journal's video, and everything else of the input untouched.
#include <deque>

#include "video/job.hpp"

namespace enlarge::video {

namespace {

using media::Packet;

// The input's other streams, read once more.
class OtherStreams {
public:
    static Result<OtherStreams> open(Job& job) {
        OtherStreams others;
        media::InputOptions again = job.source->input().options();
        if (again.poll) again.poll = [&job] { return job.may_go_on(); };
        TRY(others.input_, media::Input::open(again));
        if (job.options.from_s > 0) TRY(others.input_->seek(job.source->from_s()));
        others.more_ = job.streams.streams.size() > 1;
        TRY(others.look_ahead(job));
        return others;
    }
    // The packet that comes next; empty when there is none any more.
    [[nodiscard]] const Packet& packet() const { return packet_; }
    [[nodiscard]] explicit operator bool() const { return more_; }
    [[nodiscard]] const media::Input& input() const { return *input_; }

    Result<void> next() {
        do {
            if (!ahead_.empty()) {
                packet_ = std::move(ahead_.front());
                ahead_.pop_front();
            } else {
                TRY(packet_, input_->read());
            }
            more_ = static_cast<bool>(packet_);
        } while (more_ && packet_.stream() == input_->video_stream());
        return {};
    }

private:
    OtherStreams() = default;

    // The first packets tell how the streams begin, which the header must say.
    Result<void> look_ahead(Job& job) {
        std::vector<Packet> first;
        std::size_t bytes = 0;
        while (more_ && first.size() < 300 && bytes < (std::size_t{32} << 20)) {
            TRY(Packet packet, input_->read());
            if (!packet) break;
            bytes += packet.bytes();
            first.push_back(std::move(packet));
            job.mux.starts = media::stream_starts(first, *input_, job.streams);
            if (job.mux.starts.size() >= job.streams.streams.size()) break;
        }
        ahead_.assign(first.begin(), first.end());
        return {};
    }

    std::unique_ptr<media::Input> input_;
    std::deque<Packet> ahead_;
    Packet packet_;
    bool more_ = false;
};

// All packets by their times.
Result<void> interleave(Job& job, media::SegmentPackets& packets, OtherStreams& others, media::Output& output) {
    TRY(Packet video, packets.next());
    if (others) TRY(others.next());
    while (video || others) {
        TRY(job.options.cancel.check());
        if (!job.may_go_on())
            return Error{Errc::cancelled, "stopped while the file was put together"};
        for (int i = 0; i < 256 && (video || others); ++i) {
            const auto base = packets.track().time_base;
            if (video && (!others || media::not_later(video, base, others.packet(), others.input()))) {
                TRY(output.write_video(video));
                TRY(video, packets.next());
            } else {
                TRY(output.write_other(others.packet()));
                TRY(others.next());
            }
        }
    }
    return {};
}

}  // namespace

Result<void> put_together(Job& job, media::SegmentPackets& packets, bool& cut_short) {
    TRY(auto others, OtherStreams::open(job));
    TRY(const auto output, media::Output::open(job.mux, others.input(), job.streams, packets.track()));
    TRY(interleave(job, packets, others, *output));
    cut_short = cut_short || others.input().cut_short();
    TRY(output->finish());
    job.bytes = output->bytes();
    return give_final_names(job, output->path());
}

Result<void> assemble(Job& job, bool& cut_short) {
    TRY(const auto packets, job.journal->packets());
    job.mux.path = work_file(job);
    TRY(put_together(job, *packets, cut_short));
    if (const auto removed = job.journal->remove(); !removed)
        job.notice({"work-folder-left",
                    "warning: the folder of the finished work is left: " + removed.error().message});
    return {};
}

}  // namespace enlarge::video
