// SPDX-License-Identifier: Apache-2.0
// Video on the GPU: NV12 or P010 frames go straight through first layer, network and last layer, without RGB in between,
// and, when decoder and encoder share the GPU (NVDEC, NVENC through FFmpeg's CUDA hwcontext), without leaving it. And a
// queue that keeps several sessions, on one GPU or several, busy with alternate frames while results stay in order.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "backend/backend.hpp"
#include "image/frame.hpp"

namespace enlarge::cuda {

// A frame in host memory or on the GPU of the session: luma, then interleaved chroma. 8 bits are NV12, 10 bits P010
// (`high_bits`). Tags must be filled in (guess_missing()).
struct GpuFrame {
    FrameFormat format;
    Size size;
    std::uint64_t plane[2] = {0, 0};       // addresses
    std::int64_t pitch_bytes[2] = {0, 0};
    bool on_device = false;
};

// Sessions of CUDA programs are of this kind (dynamic_cast).
class FrameSession : public Session {
public:
    // The whole frame. Sizes must be multiples of ProgramInfo::size_multiple, and out = in * scale. Fails with
    // Errc::unsupported for what needs the way over RGB: other formats, networks of odd scale or without a fused last
    // layer, chroma that lies elsewhere than left or in the centre; the caller then converts on the CPU.
    virtual Result<TileReport> run_frame(const GpuFrame& in, const GpuFrame& out) = 0;
    // The driver's handle (CUstream, CUcontext) on which all work of this session is ordered: what FFmpeg's
    // AVCUDADeviceContext wants, so that decoder, network and encoder need no synchronisation by the host.
    [[nodiscard]] virtual void* stream() const = 0;
    [[nodiscard]] virtual void* context() const = 0;
};

// Runs jobs of one stream of frames on several sessions of a program at once: job i on session i mod n. While one frame
// is computed, the copies of its neighbours run on their own streams; with several GPUs they take alternate frames.
class FrameQueue {
public:
    // `sessions` at a time; two per GPU hide the copies.
    static Result<std::unique_ptr<FrameQueue>> create(const Program& program, int sessions);
    ~FrameQueue();
    FrameQueue(const FrameQueue&) = delete;
    FrameQueue& operator=(const FrameQueue&) = delete;

    [[nodiscard]] int depth() const { return static_cast<int>(workers_.size()); }
    [[nodiscard]] int waiting() const { return static_cast<int>(order_.size()); }
    // Begins a job; its pixels must stay until next() has returned it. At most depth() jobs may be under way.
    Result<void> submit(const TileJob& job);
    // Waits for the oldest job and returns what became of it.
    Result<TileReport> next();

private:
    struct Worker {
        std::unique_ptr<Session> session;
        std::mutex mutex;
        std::condition_variable changed;
        std::optional<TileJob> job;
        std::optional<Result<TileReport>> report;
        bool stop = false;
        std::thread thread;
    };
    FrameQueue() = default;
    std::vector<std::unique_ptr<Worker>> workers_;
    std::deque<std::size_t> order_;  // workers, oldest job first
    std::size_t turn_ = 0;
};

}  // namespace enlarge::cuda
