// SPDX-License-Identifier: Apache-2.0
// The simple face of engine and session.
#include <cstdlib>
#include <string>
#include <utility>

#include "api/engine_state.hpp"
#include "base/folders.hpp"
#include "enlarge/enlarge.hpp"

namespace enlarge {

std::string cache_folder() {
    if (const char* folder = std::getenv("ENLARGE_CACHE")) return folder;
    return user_folder("XDG_CACHE_HOME", ".cache");
}

Upscaler::Upscaler(std::unique_ptr<State> state) : state_(std::move(state)) {}
Upscaler::Upscaler(Upscaler&&) noexcept = default;
Upscaler& Upscaler::operator=(Upscaler&&) noexcept = default;
Upscaler::~Upscaler() = default;

Result<Upscaler> Upscaler::create(const Model& model, const EngineOptions& options) {
    TRY(Engine engine, Engine::create(model, options));
    Engine::Session session = engine.session();
    return Upscaler(std::unique_ptr<State>(new State{std::move(engine), std::move(session)}));
}

Result<Image> Upscaler::upscale(const ImageView& in, const OutputSize& size, const Progress& progress) {
    return state_->session.upscale(in, size, {.progress = progress, .cancel = {}});
}

Result<UpscaleReport> Upscaler::upscale(const ImageView& in, const MutableImageView& out, const Progress& progress) {
    return state_->session.upscale(in, out, {.progress = progress, .cancel = {}});
}

Result<UpscaleReport> Upscaler::upscale(RowSource& in, RowSink& out, Size out_size, PixelFormat out_format,
                                        const Progress& progress) {
    return state_->session.upscale(in, out, out_size, out_format, {.progress = progress, .cancel = {}});
}

Result<UpscaleReport> Upscaler::upscale_part(RowSource& in, RowSink& out, Size out_size, PixelFormat out_format,
                                             const Rect& part, const Progress& progress) {
    return state_->session.upscale_part(in, out, out_size, out_format, part, {.progress = progress, .cancel = {}});
}

const ModelInfo& Upscaler::model() const { return state_->engine.info().model; }
const EngineInfo& Upscaler::info() const { return state_->engine.info(); }
std::string Upscaler::description() const { return state_->engine.info().description; }

}  // namespace enlarge
