// SPDX-License-Identifier: Apache-2.0
// A network compiled once and used by many threads. For programs that serve: Upscaler (enlarge.hpp) is the same for one
// thread, in two lines.
//
//     auto engine = enlarge::Engine::create(*model, {.limits = {.pixels = 50'000'000}});
//     // on each thread:
//     auto session = engine->session();
//     auto need = session.memory_for(small.size(), small.format());
//     auto big = session.upscale(small.view(), {.scale = 2}, {.cancel = enlarge::Cancellation::after(10)});
//
// An engine never changes; copies share it, and any number of threads may ask it for sessions and use those side by
// side. A session belongs to one thread at a time. It keeps its engine, and the engine its model, alive.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "enlarge/cancel.hpp"
#include "enlarge/enlarge.hpp"

namespace enlarge {

// What goes with one call.
struct CallOptions {
    Progress progress;    // called with 0..1 on the caller's thread; false stops with Errc::cancelled. May be empty.
    Cancellation cancel;  // stops from another thread, or when the time is over (cancel.hpp)
};

// What an engine is like.
struct EngineInfo {
    ModelInfo model;
    DeviceInfo device;                          // of several GPUs the first
    int devices = 1;                            // that sessions take in turn
    Precision precision = Precision::fp32;      // for pictures of 8 bits and for video; deeper ones may run in fp32
    std::string description;                    // "cpu avx2, fp32 Winograd F(6x6,3x3)", for people
    Limits limits;                              // as given
    std::string made_by;                        // for WriteOptions::provenance_model: "fine-x4",
                                                // "fine-x4, strength 0.7", "none (Lanczos)"
    bool plain_loops = false;                   // what the device "reference" computes, slowly: no kernels were used
};

class Engine {
public:
    class Session;  // below

    // Compiles: weights are packed for the device, and where precision is automatic it is chosen by measuring (once per
    // network where EngineOptions::cache_folder is given). Takes from milliseconds to a few seconds. Fails with
    // Errc::argument, ::unsupported (naming the operation or precision), ::device, ::memory.
    static Result<Engine> create(const Model& model, const EngineOptions& options = {});

    // Cheap: nothing is computed, and memory is taken by the first picture.
    [[nodiscard]] Session session() const;
    [[nodiscard]] const EngineInfo& info() const;

    struct State;  // internal
    [[nodiscard]] const std::shared_ptr<const State>& state() const { return state_; }

private:
    explicit Engine(std::shared_ptr<const State> state) : state_(std::move(state)) {}
    std::shared_ptr<const State> state_;
};

// The working memory of one stream of pictures. Moves, does not copy; one call at a time. From the second picture of
// the same size and format on, a call into the caller's memory allocates nothing.
class Engine::Session {
public:
    Session(Session&&) noexcept;
    Session& operator=(Session&&) noexcept;
    ~Session();

    // As Upscaler::upscale(), three ways. Beyond EngineInfo::limits: Errc::limit, before anything is taken.
    Result<Image> upscale(const ImageView& in, const OutputSize& size = {}, const CallOptions& call = {});
    Result<UpscaleReport> upscale(const ImageView& in, const MutableImageView& out, const CallOptions& call = {});
    Result<UpscaleReport> upscale(RowSource& in, RowSink& out, Size out_size, PixelFormat out_format,
                                  const CallOptions& call = {});
    // As Upscaler::upscale_part().
    Result<UpscaleReport> upscale_part(RowSource& in, RowSink& out, Size out_size, PixelFormat out_format,
                                       const Rect& part, const CallOptions& call = {});

    // Bytes of working memory that a call with a picture like this will take and the session then keep, besides weights
    // and the caller's own pictures: an estimate from above of tiles, rows and the network's scratch, on the device or
    // here. Takes none of it. Errc::memory when it cannot be done within the limits, saying how much is needed.
    [[nodiscard]] Result<std::int64_t> memory_for(Size in, const PixelFormat& format,
                                                  const OutputSize& size = {}) const;

    [[nodiscard]] const EngineInfo& info() const;

    struct State;  // internal
    [[nodiscard]] State& state() const { return *state_; }

private:
    friend class Engine;
    explicit Session(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace enlarge
