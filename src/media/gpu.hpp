// SPDX-License-Identifier: Apache-2.0
// Frames in the memory of an NVIDIA GPU, through FFmpeg's CUDA context: what NVDEC decodes into and NVENC encodes from.
// Nothing of CUDA is needed to build this; FFmpeg finds the driver when it is asked to.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>

#include "base/native_handle.hpp"
#include "media/frame.hpp"

struct AVBufferRef;

namespace enlarge::media {

class Gpu {
public:
    // `context`: the one in which the network runs; it must outlive all frames. Work of FFmpeg's is put on its default
    // stream. Errc::device where FFmpeg finds no driver, or knows no such context.
    static Result<std::shared_ptr<Gpu>> open(const NativeHandle& context);
    [[nodiscard]] AVBufferRef* av() const { return device_.get(); }

private:
    struct Free {
        void operator()(AVBufferRef* reference) const;
    };
    Gpu() = default;
    std::unique_ptr<AVBufferRef, Free> device_;
    friend class GpuFramePool;
};

// Frame::view() has no planes for these.
bool on_gpu(const Frame& frame);
// Where the planes of a frame on the GPU lie: Y and interleaved UV.
struct GpuPlanes {
    std::array<std::uint64_t, 2> address{};
    std::array<std::int64_t, 2> pitch_bytes{};
};
GpuPlanes gpu_planes(const Frame& frame);

// Makes NV12 or P010 frames on the GPU.
class GpuFramePool {
public:
    // 8 or 10 bits.
    static Result<GpuFramePool> create(const Gpu& gpu, int bits, Size size);
    // As FramePool::get().
    Result<Frame> get(const VideoFormat& format, const Frame* properties);

private:
    GpuFramePool() = default;
    std::unique_ptr<AVBufferRef, Gpu::Free> frames_;
    Size size_;
};

// The pixels of a frame of the host (4:2:0, planar or NV12, P010) into one on the GPU of the same depth and size; and back,
// as NV12 or P010.
Result<void> upload(const Frame& frame, Frame& there);
Result<Frame> download(const Frame& frame);

// Whether the GPU's encoder ("hevc_nvenc") works here: it is opened once for frames of this size, on the GPU or, without
// `gpu`, of the host. Errc::unsupported says why not: a chip without encoder (H100, H200), a driver without its library, a
// size beyond it.
Result<void> probe_gpu_encoder(const std::string& codec, const Gpu* gpu, int bits, Size size);
// The encoder of this machine's processors for the same format: "hevc_nvenc" -> "libx265". Empty if it is no GPU encoder.
std::string processor_encoder(const std::string& codec);

}  // namespace enlarge::media
