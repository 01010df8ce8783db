// SPDX-License-Identifier: Apache-2.0
// A video from end to end: what the public enlarge_video() is made of.
#pragma once

#include <string>

#include "enlarge/media.hpp"
#include "video/job.hpp"

namespace enlarge::video {

// As enlarge::enlarge_video().
Result<VideoReport> enlarge_video(const NamedEnlarger& network, const std::string& input, const std::string& output,
                                  const VideoOptions& options);

// What that call would have to do, without doing it: for work that others divide.
Result<JobPlan> plan_video(const NamedEnlarger& network, const std::string& input, const std::string& output,
                           const VideoOptions& options);

}  // namespace enlarge::video
