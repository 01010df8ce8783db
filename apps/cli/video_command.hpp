// SPDX-License-Identifier: Apache-2.0
// The video half of the main command.
#pragma once

#include <string>
#include <vector>

#include "enlarge/media.hpp"
#include "upscale.hpp"

namespace cli {

struct VideoChoice {
    enlarge::VideoOptions options;
    double crf = 0;
    bool crf_given = false;
    std::vector<std::string> encoder_options, container_options, input_options;  // "key=value"
    std::string from, to;   // "90", "1:30", "0:01:30.5"
    bool no_deinterlace = false, no_reuse = false, stats = false;
};

// Adds the options, in the groups "Video" and "Live input".
void define_video_options(CLI::App& app, VideoChoice& choice);

// Whether this job is for enlarge_video(): by the input's content, or because an option or the output says so.
bool is_video_job(const Job& job, const UpscaleOptions& options, const VideoChoice& choice);

// What --container or --format asks for, or a preview of one frame ("png"); empty: the output's ending says it.
bool is_one_frame(const UpscaleOptions& options, const VideoChoice& choice);
std::string container_of(const UpscaleOptions& options, const VideoChoice& choice);

// Where upscale_video() will write: clip.mkv -> clip_x2.mkv, with the ending of `container` where that is given.
std::string video_output(const Job& job, const std::string& suffix, const std::string& container);

// What both halves of the options ask for, the size included; container and overwriting are left to the caller.
enlarge::Result<enlarge::VideoOptions> video_options(const EngineChoice& engine, const VideoChoice& choice);

// "12%, frame 30 of 240, 3.1 frames/s, 0.13x, 1:08 left"
std::string detail_of(const enlarge::VideoProgress& p);

// One video. Errors have been given the file's name.
enlarge::Result<void> upscale_video(const Job& job, const UpscaleOptions& options, const VideoChoice& choice,
                                    Upscalers& upscalers, Reporter& reporter);

// Seconds in "90", "1:30", "0:01:30.5".
enlarge::Result<double> parse_time(const std::string& text);

}  // namespace cli
