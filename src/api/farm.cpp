// SPDX-License-Identifier: Apache-2.0
#include "enlarge/farm.hpp"

#include "api/engine_state.hpp"
#include "pictures/library.hpp"
#include "video/farm.hpp"

namespace enlarge {

namespace {

video::NamedEnlarger named(Upscaler& upscaler) {
    const EngineInfo& info = upscaler.info();
    return {&upscaler.state().session.state().enlarger, info.model.name, info.description, info.model.scale};
}

// What changes a picture's bytes besides the network.
media::JobFingerprint picture_facts() { return {{"the picture library", pictures::library_version()}}; }

}  // namespace

Result<FarmJob> plan_job(Upscaler& upscaler, const std::string& input, const std::string& output,
                         const VideoOptions& options, const std::string& folder, const JobRequest& request) {
    const LogScope scope(upscaler.state().engine.state()->log);
    const EngineInfo& info = upscaler.info();
    // A processor takes any precision by its name; what a GPU chose may hold for some of the layers only.
    const Precision precision = info.device.kind == DeviceKind::cpu ? info.precision : Precision::automatic;
    if (!request.files.empty())
        return video::plan_files(named(upscaler), precision, input, output, options, folder, request, picture_facts());
    return video::plan_farm(named(upscaler), precision, input, output, options, folder, request);
}

Result<FarmJob> read_job(const std::string& folder) { return video::read_farm_job(folder); }

Result<JobWorkReport> work_on_job(Upscaler& upscaler, const std::string& folder, const VideoOptions& options,
                                  const JobWork& work) {
    const LogScope scope(upscaler.state().engine.state()->log);
    return video::work_on_farm(named(upscaler), folder, options, work, picture_facts());
}

Result<JobStatus> status_of_job(const std::string& folder) { return video::farm_status(folder); }
Result<JobJoinReport> join_job(const std::string& folder, const JobJoin& join) {
    return video::join_farm(folder, join);
}

}  // namespace enlarge
