// SPDX-License-Identifier: Apache-2.0
#include <cstdlib>
#include <map>
#include <mutex>
#include <string>
#include <utility>

#include "api/model_state.hpp"
#include "api/upscaler_state.hpp"
#include "backend/backend.hpp"
#include "base/folders.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "base/thread_pool.hpp"
#include "enlarge/enlarge.hpp"
#include "run/enlarger.hpp"

namespace enlarge {
namespace {

// One pool per number of threads, shared by all upscalers that want this number and freed with the last of them.
std::shared_ptr<ThreadPool> shared_pool(int threads) {
    static std::mutex mutex;
    static std::map<int, std::weak_ptr<ThreadPool>> pools;
    const std::lock_guard lock(mutex);
    std::weak_ptr<ThreadPool>& kept = pools[threads];
    std::shared_ptr<ThreadPool> pool = kept.lock();
    if (!pool) kept = pool = std::make_shared<ThreadPool>(threads);
    return pool;
}

}  // namespace

Result<int> device_index(const std::string& device) {
    const auto colon = device.find(':');
    if (colon == std::string::npos) return -1;
    const std::string digits = device.substr(colon + 1);
    if (digits.empty() || digits.size() > 3 || digits.find_first_not_of("0123456789") != std::string::npos)
        return Error{Errc::argument, "device '" + device + "': expected a number after the colon, as in cuda:1"};
    return std::atoi(digits.c_str());
}

std::vector<DeviceInfo> devices() {
    std::vector<DeviceInfo> all;
    for (const Backend* backend : backends())
        for (DeviceInfo& info : backend->probe()) all.push_back(std::move(info));
    return all;
}

std::string cache_folder() {
    if (const char* folder = std::getenv("ENLARGE_CACHE")) return folder;
    return user_folder("XDG_CACHE_HOME", ".cache");
}

Upscaler::Upscaler(std::unique_ptr<State> state) : state_(std::move(state)) {}
Upscaler::Upscaler(Upscaler&&) noexcept = default;
Upscaler& Upscaler::operator=(Upscaler&&) noexcept = default;
Upscaler::~Upscaler() = default;

Result<Upscaler> Upscaler::create(const Model& model, const EngineOptions& options) {
    if (options.threads < 0 || options.threads > 4096)
        return Error{Errc::argument, std::to_string(options.threads) + " threads; expected 0 (all cores) to 4096"};
    if (options.tile < 0) return Error{Errc::argument, "a tile side of " + std::to_string(options.tile) + " pixels"};
    if (!(options.strength >= 0 && options.strength <= 1))
        return Error{Errc::argument, "a strength of " + std::to_string(options.strength) + "; expected 0 (plain) to 1 (the network)"};
    if (options.memory_bytes < 0) return Error{Errc::argument, "a negative memory limit"};

    auto pool = shared_pool(options.threads);
    TRY(const Backend* backend, choose_backend(options.device));
    CompileOptions compile;
    compile.precision = options.precision;
    compile.pool = pool.get();
    compile.cache_folder = options.cache_folder;
    TRY(compile.device, device_index(options.device));
    // The graph lives in the model's state; this pointer shares its ownership.
    std::shared_ptr<const Graph> graph(model.state(), &model.state()->network.graph);
    auto compiled = backend->compile(*graph, compile);
    if (!compiled.ok() && options.device == "auto" && !std::getenv("ENLARGE_BACKEND") && backend->name() != "cpu") {
        // A driver that is too old, memory that is taken, a precision that GPUs do not have: said, and the CPU takes over.
        log(LogLevel::notice, {"device-not-used", std::string(backend->name()) + " is not used: " + compiled.error().message});
        TRY(backend, choose_backend("cpu"));
        compiled = backend->compile(*graph, compile);
    }
    TRY(std::shared_ptr<const Program> program, std::move(compiled));
    auto engine = std::make_shared<Engine>(std::move(graph), *backend, compile, std::move(program));
    EnlargerOptions enlarger{options.memory_bytes, options.tile, options.tta, pool.get(), options.alpha, options.strength};
    return Upscaler(std::unique_ptr<State>(
        new State{model, std::move(pool), std::make_unique<Enlarger>(std::move(engine), enlarger)}));
}

Result<Image> Upscaler::upscale(const ImageView& in, const OutputSize& size, const Progress& progress) {
    TRY(const Size out_size, resolve(size, in.size, state_->model.info().scale));
    Image out(out_size, in.format);
    TRY(upscale(in, out.view(), progress));
    return out;
}

Result<UpscaleReport> Upscaler::upscale(const ImageView& in, const MutableImageView& out, const Progress& progress) {
    return state_->enlarger->run(in, out, progress);
}

Result<UpscaleReport> Upscaler::upscale(RowSource& in, RowSink& out, Size out_size, PixelFormat out_format,
                                        const Progress& progress) {
    return state_->enlarger->run(in, out, out_size, out_format, progress);
}

Result<UpscaleReport> Upscaler::upscale_part(RowSource& in, RowSink& out, Size out_size, PixelFormat out_format, const Rect& part,
                                             const Progress& progress) {
    return state_->enlarger->run_part(in, out, out_size, out_format, part, progress);
}

const ModelInfo& Upscaler::model() const { return state_->model.info(); }
std::string Upscaler::path() const {
    std::string text = state_->enlarger->engine().info().description;
    if (const double strength = state_->enlarger->options().strength; strength < 1) text += ", strength " + exact(strength);
    return text;
}

}  // namespace enlarge
