// SPDX-License-Identifier: Apache-2.0
// Video files, whole: demultiplexed, decoded, filtered, encoded, and written again with all their other streams.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <string>

#include "fuzz/outcome.hpp"
#include "media/encoder.hpp"
#include "media/filters.hpp"
#include "media/input.hpp"
#include "media/output.hpp"

namespace {

using namespace enlarge;
using media::Frame;
using media::Packet;

// A file in memory with a name.
struct MemoryFile {
    int fd = ::memfd_create("fuzz", MFD_CLOEXEC);
    ~MemoryFile() { ::close(fd); }
    [[nodiscard]] std::string path() const { return "/proc/self/fd/" + std::to_string(fd); }
};

// A name in memory that is free: outputs are made anew, never written over.
struct OutputFile {
    std::string path = "/dev/shm/enlarge-fuzz-" + std::to_string(::getpid()) + ".mkv";
    OutputFile() { ::unlink(path.c_str()); }
    ~OutputFile() { ::unlink(path.c_str()); }
};

Result<void> run(const std::string& path, const std::string& out) {
    constexpr int kFrames = 12;
    media::InputOptions in;
    in.path = path;
    in.threads = 1;
    in.limits.side = 512;
    in.limits.pixels = 1 << 16;
    TRY(const auto input, media::Input::open(in));
    (void)media::orientation(*input);
    (void)input->frames_estimate();
    TRY(const auto plan, media::plan_streams(*input, "matroska", "out.mkv", true));
    TRY(const auto decoder, media::Decoder::open(*input));
    media::Filters filters({.deinterlace = true, .interlaced = input->interlaced(), .frame_rate = input->frame_rate()});
    media::EncoderRequest request;
    request.container = "matroska";
    request.codec = "ffv1";
    request.threads = 1;
    std::unique_ptr<media::Encoder> encoder;
    std::unique_ptr<media::Output> output;
    int frames = 0;
    const auto write = [&](Packet packet) { return output->write_video(packet); };
    const auto take = [&](Frame frame) -> Result<void> {
        if (++frames > kFrames) return {};
        if (!encoder) {
            TRY(const auto choice, media::choose_encoder(request, frame.format(), false));
            TRY(encoder, media::Encoder::open(request, choice, frame, frame, frame.time_base, input->frame_rate()));
            media::OutputOptions options;
            options.path = out;
            options.container = "matroska";
            options.offset_us = input->clock_offset_us();
            TRY(output, media::Output::open(options, *input, plan, media::track_of(*encoder, frame)));
        }
        return encoder->encode(frame, write);
    };
    const auto filter = [&](Frame frame) { return filters.process(frame, take); };
    for (int packets = 0; packets < 400 && frames < kFrames; ++packets) {
        TRY(Packet packet, input->read());
        if (!packet) break;
        if (packet.stream() == input->video_stream()) {
            TRY(decoder->decode(packet, filter));
        } else if (output) {
            TRY(output->write_other(packet));
        }
    }
    TRY(decoder->decode({}, filter));
    TRY(filters.process({}, take));
    if (!encoder) return {};
    TRY(encoder->encode({}, write));
    TRY(output->finish());
    fuzz::accepted = frames > 0;
    return {};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0 || size > (1 << 18)) return 0;
    const MemoryFile in;
    if (::write(in.fd, data, size) != static_cast<ssize_t>(size)) return 0;
    const OutputFile out;
    const auto result = run(in.path(), out.path);
    if (!result && result.error().code == enlarge::Errc::internal) std::abort();  // a bug of ours
    return 0;
}
