// SPDX-License-Identifier: Apache-2.0
// Video files, pipes and live streams. Needs a build with FFmpeg's libraries; no FFmpeg program is ever run.
//
//     enlarge::VideoOptions options;
//     auto report = enlarge::enlarge_video(upscaler, "in.mkv", "out.mkv", options);
//
// Every frame of the input is in the output at exactly its time; sound, subtitles, chapters, fonts, metadata are copied
// untouched. The output gets its name only when it is whole. Work on files is journalled in the folder "<output>.enlarge":
// after a crash the same call continues, and the result is the same as without the crash. (GIF, APNG and WebP are one
// segment: an interrupted animation begins again.)
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "enlarge/cancel.hpp"
#include "enlarge/engine.hpp"
#include "enlarge/limits.hpp"
#include "enlarge/notice.hpp"

namespace enlarge {

enum class VideoControl {
    go_on,
    stop_soon,  // finish the segment in work, so that nothing is lost, then end with Errc::cancelled
    stop_now,   // end with Errc::cancelled at once; closed segments are kept
};

struct VideoProgress {
    std::int64_t frames = 0;         // finished, earlier runs included
    std::int64_t frames_total = 0;   // an estimate; 0 if not known
    std::int64_t resumed_frames = 0; // of earlier runs
    double fraction = 0;             // 0..1; 0 if the total is not known
    double frames_per_second = 0;    // of this run, lately
    double speed = 0;                // seconds of video per second
    double seconds_left = -1;        // negative if not known
    std::int64_t output_bytes = 0;
    bool stopping = false;           // after stop_soon, until the segment is closed
    std::int64_t frames_to_stop = 0; // how many frames that still takes
};

struct VideoOptions {
    OutputSize size;

    // Containers. Empty: by file ending; of pipes: input found out, output NUT (y4m when the input is y4m).
    std::string input_format;        // "y4m", "nut", "mpegts", any FFmpeg demuxer
    std::string container;           // "mkv", "mp4", "y4m", "nut", any FFmpeg muxer
    std::vector<std::pair<std::string, std::string>> input_options, container_options;
    double frame_rate = 0;           // of an image sequence; 0 = 25
    bool overwrite = true;           // false: an output that is there fails with Errc::exists
    bool skip_unsupported = false;   // leave out streams that the container cannot hold, instead of failing

    // Encoder. Empty: by container and size.
    std::string video_codec;
    std::optional<double> crf;       // in the encoder's own scale
    std::string preset;
    std::vector<std::pair<std::string, std::string>> encoder_options;
    std::string pixel_format;        // of the output, by FFmpeg's name
    // Of decoder and encoder. 0: where work is journalled 8 on every machine, because many encoders' bytes depend on it;
    // else theirs to choose.
    int codec_threads = 0;
    // NVIDIA GPUs that run the network may decode too; with an encoder like "hevc_nvenc" frames never leave the GPU. What
    // the GPU cannot do the processor does, said in a notice.
    bool gpu_decode = false;

    // What part, and what happens to frames before and after the network (libavfilter's language).
    double from_s = 0, to_s = std::numeric_limits<double>::infinity();  // seconds from the input's beginning
    std::string filter_before, filter_after;
    // Only this part of every frame, in pixels of the input (after filter_before), as the whole would have it; what
    // lies beyond a frame is left out, and a part that begins within a chroma sample begins with that. Nothing: all.
    std::optional<Rect> part;
    bool deinterlace = true;         // frames that are flagged as interlaced (bwdif)
    bool square_pixels = false;      // stretch to a sample aspect ratio of 1:1

    // Journal; used when both ends are files.
    bool restart = false;            // throw unfinished work away
    int segment_frames = 120;

    bool reuse = true;               // compute again only what changed since the last frame; same result

    // Addresses and pipes.
    std::vector<std::string> allow_protocols;  // beyond http, https, udp, rtp, rtsp, rtmp, srt, tcp
    double timeout_s = 15;
    bool live = false;               // short queues, an encoder that does not look ahead, output at once
    double drop_after_s = 0;         // live only: frames that are this late are dropped; 0 = never

    // Of frames, decoded and enlarged; decoded ones have at most 2^28 pixels and 65535 a side in any case.
    Limits limits;

    // Ends the call as VideoControl::stop_now does, from another thread or when the time is over.
    Cancellation cancel;
    // Called about ten times a second on the caller's thread.
    std::function<VideoControl(const VideoProgress&)> progress;
    // Decisions and remarks: "encoder: libx264 (crf 17, medium) ...". Called from several threads, one call at a time.
    std::function<void(const Notice&)> notice;
};

struct StageReport {
    std::string name;        // "demux", "decode", "convert in", "infer", "convert out", "encode", "write"
    double busy_s = 0;       // time at work, without waiting for its neighbours
    std::int64_t items = 0;
};

struct VideoReport {
    Size input, output;
    std::int64_t frames_in = 0;       // decoded (and after filter_before), in the chosen part, earlier runs included
    std::int64_t frames_out = 0;      // encoded, likewise
    std::int64_t resumed_frames = 0;  // taken from earlier runs
    std::int64_t reused_frames = 0;   // identical to the frame before: not computed
    std::int64_t partial_frames = 0;  // computed in part
    double computed_share = 1;        // of all pixels of this run
    std::int64_t damaged = 0;         // packets or frames of the input in which something was broken
    std::int64_t dropped_frames = 0;  // live with drop_after_s
    std::int64_t retimed_frames = 0;  // had no time stamp of their own, or one not after the last
    std::int64_t recomputed_tiles = 0;
    bool input_cut_short = false;     // the file ended before its end
    std::int64_t output_bytes = 0;
    std::int64_t frame_memory_bytes = 0;  // of all frames in the queues together
    double seconds = 0;
    std::vector<StageReport> stages;
    std::string bottleneck;           // the busiest stage
    std::string input_format;         // "640x360 4:2:0 8 bit, BT.601, limited range"
    std::string encoder;              // "libx264 (crf 17, preset medium), 1280x720 yuv420p"
};

// SVT-AV1 writes to standard error unless SVT_LOG=1 is in the environment; set it before there are threads, as the program
// does: a library cannot do so safely.
//
// Enlarges `input` (a file, a pattern like "f_%06d.png", an address, or "-") into `output` (a file, a pattern, or "-").
Result<VideoReport> enlarge_video(Upscaler& upscaler, const std::string& input, const std::string& output,
                                  const VideoOptions& options = {});
Result<VideoReport> enlarge_video(Engine::Session& session, const std::string& input, const std::string& output,
                                  const VideoOptions& options = {});

// Whether `path` holds moving pictures: by content where it can be read, else by name. Animations count, pictures not.
bool is_media_file(const std::string& path);

}  // namespace enlarge
