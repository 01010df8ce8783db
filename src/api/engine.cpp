// SPDX-License-Identifier: Apache-2.0
#include "enlarge/engine.hpp"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <mutex>
#include <utility>

#include "api/engine_state.hpp"
#include "api/model_state.hpp"
#include "backend/backend.hpp"
#include "backend/choice.hpp"
#include "backend/own_size.hpp"
#include "base/text.hpp"
#include "image/format.hpp"

namespace enlarge {
namespace {

// One pool per number of threads, shared by all engines that want this number and freed with the last of them.
std::shared_ptr<ThreadPool> shared_pool(int threads) {
    static std::mutex mutex;
    static std::map<int, std::weak_ptr<ThreadPool>> pools;
    const std::lock_guard lock(mutex);
    std::weak_ptr<ThreadPool>& kept = pools[threads];
    std::shared_ptr<ThreadPool> pool = kept.lock();
    if (!pool) kept = pool = std::make_shared<ThreadPool>(threads);
    return pool;
}

Result<void> check(const EngineOptions& options) {
    if (options.threads < 0 || options.threads > 4096)
        return Error{Errc::argument, std::to_string(options.threads) + " threads; expected 0 (all cores) to 4096"};
    if (options.tile < 0) return Error{Errc::argument, "a tile side of " + std::to_string(options.tile) + " pixels"};
    if (!(options.strength >= 0 && options.strength <= 1))
        return Error{Errc::argument, "a strength of " + std::to_string(options.strength) +
                                         "; expected 0 (plain) to 1 (the network)"};
    if (options.memory_bytes < 0 || options.limits.memory_bytes < 0)
        return Error{Errc::argument, "a negative memory limit"};
    return {};
}

// 0: neither says anything.
std::int64_t smaller_limit(std::int64_t a, std::int64_t b) { return a && b ? std::min(a, b) : a + b; }

// What a program runs on. "auto" may have come to another backend than the first.
DeviceInfo device_of(const Backend& backend, int index) {
    const std::vector<DeviceInfo> all = backend.probe();
    if (index >= 0 && static_cast<std::size_t>(index) < all.size()) return all[static_cast<std::size_t>(index)];
    for (const DeviceInfo& device : all)
        if (device.usable) return device;
    return all.empty() ? DeviceInfo{} : all.front();
}

struct Compiled {
    const Backend* backend;
    std::shared_ptr<const Program> program;
};

// On the device that was asked for; where "auto" chose one that cannot, on the one that takes over for it.
Result<Compiled> compile(const Graph& graph, const EngineOptions& options, const CompileOptions& how) {
    TRY(const Backend* backend, choose_backend(options.device));
    const bool chosen = options.device == "auto" && !std::getenv("ENLARGE_BACKEND");
    auto made = enlarge::compile(*backend, graph, how);
    if (made.ok() && chosen)
        if (auto worth = worth_choosing(*backend, graph, **made, how); !worth.ok()) made = std::move(worth).error();
    while (!made.ok() && chosen) {
        const std::string next = device_of(*backend, how.device).fallback_to;
        if (next.empty()) break;
        // A driver that is too old, memory that is taken, a precision that GPUs do not have: said, and the next one
        // takes over.
        log(LogLevel::notice,
            {"device-not-used", std::string(backend->name()) + " is not used: " + made.error().message});
        TRY(backend, choose_backend(next));
        made = enlarge::compile(*backend, graph, how);
    }
    TRY(std::shared_ptr<const Program> program, std::move(made));
    return Compiled{backend, std::move(program)};
}

Result<void> check(Size size, const Limits& limits, const char* what) {
    const std::int64_t pixels = std::int64_t{size.width} * size.height;
    if (size.width <= limits.side && size.height <= limits.side && pixels <= limits.pixels) return {};
    return Error{Errc::limit, std::string(what) + " has " + describe(size) + " pixels; at most " +
                                  std::to_string(limits.side) + " a side and " + std::to_string(limits.pixels) +
                                  " in all are allowed"};
}

// One way to be told of progress and to be stopped. The call's own reason is said, whoever noticed it.
class Watched {
public:
    explicit Watched(const CallOptions& call) : call_(call) {}
    [[nodiscard]] Progress progress() const {
        if (!call_.cancel.possible() && !call_.progress) return {};
        return [this](double fraction) {
            return !call_.cancel.requested() && (!call_.progress || call_.progress(fraction));
        };
    }
    template <class T>
    Result<T> outcome(Result<T> result) const {
        if (!result.ok() && result.error().code == Errc::cancelled) TRY(call_.cancel.check());
        return result;
    }

private:
    const CallOptions& call_;
};

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

Result<Engine> Engine::create(const Model& model, const EngineOptions& options) {
    TRY(check(options));
    auto state = std::make_shared<State>(
        State{model, shared_pool(options.threads), nullptr, {}, {}, share(options.log)});
    const LogScope scope(state->log);
    CompileOptions how;
    how.precision = options.precision;
    how.pool = state->pool.get();
    how.cache_folder = options.cache_folder;
    TRY(how.device, device_index(options.device));
    // The graph lives in the model's state; this pointer shares its ownership.
    std::shared_ptr<const Graph> graph(model.state(), &model.state()->network.graph);
    TRY(Compiled compiled, compile(*graph, options, how));
    const ProgramInfo& program = compiled.program->info();
    state->info.model = model.info();
    state->info.device = device_of(*compiled.backend, how.device);
    state->info.devices = compiled.program->devices();
    state->info.precision = program.precision;
    state->info.description = program.description;
    if (options.strength < 1) state->info.description += ", strength " + exact(options.strength);
    state->info.made_by = options.strength == 0  ? "none (Lanczos)"
                          : options.strength < 1 ? model.info().name + ", strength " + exact(options.strength)
                                                 : model.info().name;
    state->info.limits = options.limits;
    state->info.plain_loops = program.plain_loops;
    state->network = std::make_shared<NetworkEngine>(std::move(graph), *compiled.backend, how, compiled.program);
    const std::int64_t memory = smaller_limit(options.memory_bytes, options.limits.memory_bytes);
    state->options = {memory, options.tile, options.tta, state->pool.get(), options.alpha, options.strength};
    return Engine(std::move(state));
}

Engine::Session Engine::session() const {
    return Session(std::unique_ptr<Session::State>(new Session::State{state_, {state_->network, state_->options}}));
}
const EngineInfo& Engine::info() const { return state_->info; }

Engine::Session::Session(std::unique_ptr<State> state) : state_(std::move(state)) {}
Engine::Session::Session(Session&&) noexcept = default;
Engine::Session& Engine::Session::operator=(Session&&) noexcept = default;
Engine::Session::~Session() = default;

const EngineInfo& Engine::Session::info() const { return state_->engine->info; }

Result<Image> Engine::Session::upscale(const ImageView& in, const OutputSize& size, const CallOptions& call) {
    TRY(const Size out_size, resolve(size, in.size, info().model.scale));
    TRY(check(out_size, info().limits, "the output"));
    Image out(out_size, in.format);
    TRY(upscale(in, out.view(), call));
    return out;
}

Result<UpscaleReport> Engine::Session::upscale(const ImageView& in, const MutableImageView& out,
                                               const CallOptions& call) {
    const LogScope scope(state_->engine->log);
    TRY(check(in.size, info().limits, "the picture"));
    TRY(check(out.size, info().limits, "the output"));
    TRY(call.cancel.check());
    const Watched watched(call);
    return watched.outcome(state_->enlarger.run(in, out, watched.progress()));
}

Result<UpscaleReport> Engine::Session::upscale(RowSource& in, RowSink& out, Size out_size, PixelFormat out_format,
                                       const CallOptions& call) {
    const LogScope scope(state_->engine->log);
    TRY(check(in.size(), info().limits, "the picture"));
    TRY(check(out_size, info().limits, "the output"));
    TRY(call.cancel.check());
    const Watched watched(call);
    return watched.outcome(state_->enlarger.run(in, out, out_size, out_format, watched.progress()));
}

Result<UpscaleReport> Engine::Session::upscale_part(RowSource& in, RowSink& out, Size out_size, PixelFormat out_format,
                                                    const Rect& part, const CallOptions& call) {
    const LogScope scope(state_->engine->log);
    TRY(check(in.size(), info().limits, "the picture"));
    TRY(check(part.size(), info().limits, "the part"));
    TRY(call.cancel.check());
    const Watched watched(call);
    return watched.outcome(state_->enlarger.run_part(in, out, out_size, out_format, part, watched.progress()));
}

Result<std::int64_t> Engine::Session::memory_for(Size in, const PixelFormat& format, const OutputSize& size) const {
    TRY(check(in, info().limits, "the picture"));
    TRY(const Size out, resolve(size, in, info().model.scale));
    TRY(check(out, info().limits, "the output"));
    return state_->enlarger.memory_for(in, format, out);
}

}  // namespace enlarge
