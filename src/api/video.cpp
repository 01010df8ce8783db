// SPDX-License-Identifier: Apache-2.0
#include "video/video.hpp"

#include "api/engine_state.hpp"
#include "enlarge/media.hpp"
#include "media/input.hpp"

namespace enlarge {

Result<VideoReport> enlarge_video(Engine::Session& session, const std::string& input, const std::string& output,
                                  const VideoOptions& options) {
    const LogScope scope(session.state().engine->log);
    const EngineInfo& info = session.info();
    return video::enlarge_video({&session.state().enlarger, info.model.name, info.description, info.model.scale}, input,
                                output, options);
}

Result<VideoReport> enlarge_video(Upscaler& upscaler, const std::string& input, const std::string& output,
                                  const VideoOptions& options) {
    return enlarge_video(upscaler.state().session, input, output, options);
}

bool is_media_file(const std::string& path) { return media::is_media_file(path); }

}  // namespace enlarge
