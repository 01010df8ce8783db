// SPDX-License-Identifier: Apache-2.0
#include "video/video.hpp"

#include "api/upscaler_state.hpp"
#include "enlarge/media.hpp"
#include "media/input.hpp"

namespace enlarge {

Result<VideoReport> enlarge_video(Upscaler& upscaler, const std::string& input, const std::string& output,
                                  const VideoOptions& options) {
    const ModelInfo& model = upscaler.model();
    return video::enlarge_video({*upscaler.state().enlarger, model.name, upscaler.path(), model.scale}, input, output,
                                options);
}

bool is_media_file(const std::string& path) { return media::is_media_file(path); }

}  // namespace enlarge
