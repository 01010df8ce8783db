// SPDX-License-Identifier: Apache-2.0
// The seam between networks and what computes them.
//
// Backend::compile turns a graph into a Program (immutable, thread-safe, holds packed weights). A Session holds the
// working memory of one stream of frames; once warm, running it allocates nothing. Several sessions may run at once.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/native_handle.hpp"
#include "base/result.hpp"
#include "base/thread_pool.hpp"
#include "enlarge/device.hpp"
#include "enlarge/image.hpp"
#include "graph/graph.hpp"
#include "image/frame.hpp"

namespace enlarge {

struct CompileOptions {
    Precision precision = Precision::automatic;
    int device = 0;                     // which GPU; -1: all of them, sessions take them in turn
    ThreadPool* pool = nullptr;         // CPU backends; outlives the program
    std::string cache_folder;           // keeps what automatic precision measured; empty: measured each time
};

// The halo of networks that read the whole picture for each of its pixels: tiles of it, all of it around each.
inline constexpr int kWholePicture = 1 << 24;

// What a compiled program is like; constant for its life.
struct ProgramInfo {
    int scale = 1;
    int channels = 3;          // of input and output
    // Sides of what run() gets must be a multiple of this; the caller pads as Graph::continuation() says, and crops.
    int size_multiple = 1;
    // Input pixels needed around a core for a result that is bit-identical to an untiled run; kWholePicture: all of
    // them.
    int halo = 0;
    int alignment = 1;         // a tile's origin in the picture must be a multiple of this for bit-identical results
    Precision precision = Precision::fp32;  // the path taken
    std::string description;   // for people: "cpu avx2, fp32 Winograd F(6x6,3x3)"
    double calibration_psnr = 0;            // dB to fp32, measured when precision was chosen; 0 if not measured
    bool plain_loops = false;  // computed as the reference backend does, node by node
};

// One rectangle of input and where its result goes. `in` may be packed or planar u8, u16, f16 or f32 with
// ProgramInfo::channels; outside of `in` the network sees zeros (its own padding). Only `core` (inside `in`) is written:
// out.size = core.size * scale. Integer outputs are clamped and rounded half to even; float outputs are unclamped.
struct TileJob {
    ImageView in;
    Rect core;
    MutableImageView out;
    // Called now and then on the thread that called run(), with how much of this tile is done, 0..1. False: run() gives
    // up soon and returns Errc::cancelled. May be null; a backend may call it rarely, but a tile that takes longer than
    // about half a second should (a whole picture can be one tile).
    const std::function<bool(double)>* progress = nullptr;
    // What the session may take for it, in bytes: at least Program::least_memory_bytes(); 0: as much as it likes.
    std::int64_t memory_bytes = 0;
    // How many columns at the right and rows at the bottom of `in` are no pixels of the picture but its continuation to a
    // multiple: op::Pad mirrors its input at the picture's own edges.
    Size continued{0, 0};
};

// Whether a program like this can run the job: a mistake of the caller's where it fails.
Result<void> check(const TileJob& job, const ProgramInfo& info);

struct TileReport {
    bool finite = true;  // false: some output was NaN or infinite, `out` must not be used
};

// Time in one kind of work during the runs since time_stages(true), as a mean over threads.
struct StageTime {
    std::string name;
    double milliseconds;
};

class Session {
public:
    virtual ~Session() = default;
    virtual Result<TileReport> run(const TileJob& job) = 0;
    // This session as one that takes frames of video (backend/frames.hpp); null where Program::takes_frames() refuses all.
    [[nodiscard]] virtual class FrameSession* frames() { return nullptr; }

    // For benchmarks: starts (anew) or stops taking times. A backend without stages reports none.
    virtual void time_stages(bool) {}
    [[nodiscard]] virtual std::vector<StageTime> stage_times() const { return {}; }
};

// What a device does at best, measured with kernels that do nothing else.
struct Ceiling {
    double gflops = 0;           // multiply-adds in the program's precision, two operations each
    double copy_gigabytes = 0;   // read and written a second
};

class Program {
public:
    virtual ~Program() = default;
    [[nodiscard]] virtual const ProgramInfo& info() const = 0;
    // Working memory of a session for a tile of this size, halo included, in bytes (weights not counted).
    [[nodiscard]] virtual std::int64_t memory_bytes(Size tile) const = 0;
    // What it can do with at least, more slowly: networks that read the whole picture may run stage by stage.
    [[nodiscard]] virtual std::int64_t least_memory_bytes(Size tile) const { return memory_bytes(tile); }
    virtual Result<std::unique_ptr<Session>> session() const = 0;
    // The backend's own program, where this one only runs it.
    [[nodiscard]] virtual const Program& base() const { return *this; }
    // How many devices sessions take in turn.
    [[nodiscard]] virtual int devices() const { return 1; }
    // How many frames of this size in work at the same time, each with a session, keep one device busy.
    [[nodiscard]] virtual int frames_at_once(Size) const { return 1; }
    // The context of the first device, for decoders and encoders that share it; or none.
    [[nodiscard]] virtual NativeHandle context() const { return {}; }
    // For benchmarks, of devices with memory of their own: the most taken so far on the first device, in bytes.
    [[nodiscard]] virtual std::int64_t peak_device_bytes() const { return 0; }
    virtual Result<Ceiling> measure_ceiling() const { return Error{Errc::unsupported, "this backend measures no ceiling"}; }
    // Whether sessions are FrameSessions (backend/frames.hpp) that turn frames like `in` into frames like `out`.
    // Errc::unsupported says why not: such frames go over RGB.
    virtual Result<void> takes_frames(const FrameFormat&, const FrameFormat&) const {
        return Error{Errc::unsupported, "this backend takes pictures only"};
    }
};

class Backend {
public:
    virtual ~Backend() = default;
    [[nodiscard]] virtual std::string_view name() const = 0;  // "reference", "cpu", "cuda"
    [[nodiscard]] virtual DeviceKind kind() const = 0;
    // What it can run on; `usable` false entries say why not.
    virtual std::vector<DeviceInfo> probe() const = 0;
    // Fails with Errc::unsupported naming the op or precision, or Errc::device.
    virtual Result<std::unique_ptr<Program>> compile(const Graph& graph, const CompileOptions& options) const = 0;
};

// All backends of this build, best first: cuda (if built), cpu, reference.
const std::vector<const Backend*>& backends();

// The backend for a device ("auto", "cpu", "cuda", "reference"); the environment variable ENLARGE_BACKEND overrides
// "auto". "auto" takes the first that has a usable device.
Result<const Backend*> choose_backend(std::string_view device);

}  // namespace enlarge
