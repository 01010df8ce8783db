// SPDX-License-Identifier: Apache-2.0
// Pictures and video frames as the kernels see them, and how they lie in pinned memory on their way.
#pragma once

#include "backend/cuda/params.hpp"
#include "backend/frames.hpp"
#include "image/format.hpp"

namespace enlarge::cuda {

// How a picture lies in pinned memory and on the GPU: rows packed to 16 bytes, planes one after the other.
struct Staging {
    PixelFormat format;
    Size size;
    std::uint64_t pitch = 0;
    [[nodiscard]] int planes() const { return plane_count(format); }
    [[nodiscard]] std::uint64_t row_bytes() const {
        return static_cast<std::uint64_t>(size.width) * static_cast<std::uint64_t>(sample_bytes(format.sample)) *
               static_cast<std::uint64_t>(format.planar ? 1 : format.channels);
    }
    [[nodiscard]] std::uint64_t plane_bytes() const { return pitch * static_cast<std::uint64_t>(size.height); }
    [[nodiscard]] std::uint64_t bytes() const { return plane_bytes() * static_cast<std::uint64_t>(planes()); }
    friend bool operator==(const Staging&, const Staging&) = default;
};
Staging staging_of(const PixelFormat& format, Size size);
DevicePixels device_pixels(const Staging& staging, std::uint64_t at);
// Between a picture in host memory and its staging.
void pack_picture(const ImageView& picture, const Staging& staging, std::byte* to);
void unpack_picture(const std::byte* from, const Staging& staging, const MutableImageView& picture);

// A 4:2:0 frame of 8 or 10 bits, in pinned memory and on the GPU: always NV12 or P010, rows packed to 16 bytes.
struct FrameStaging {
    FrameFormat format;  // of the frame it stands for
    Size size;
    std::int64_t pitch = 0;
    std::uint64_t rows[2] = {0, 0};
    [[nodiscard]] std::uint64_t offset(int plane) const { return plane ? static_cast<std::uint64_t>(pitch) * rows[0] : 0; }
    [[nodiscard]] std::uint64_t bytes() const { return static_cast<std::uint64_t>(pitch) * (rows[0] + rows[1]); }
    friend bool operator==(const FrameStaging&, const FrameStaging&) = default;
};
FrameStaging frame_staging(const FrameFormat& format, Size size);
// Between a frame in host memory and its staging; planar chroma and samples in the low bits are repacked on the way.
void pack_frame(const FrameSurface& frame, const FrameStaging& staging, std::byte* to);
void unpack_frame(const std::byte* from, const FrameStaging& staging, const FrameSurface& frame);

// Errc::unsupported unless kernels can read (or write) frames like this: 4:2:0 of 8 or 10 bits, chroma left or in the
// centre, a matrix made of luma weights.
Result<void> check_frame(const FrameFormat& format);
// How kernels see an NV12 or P010 frame: reading (to RGB) or writing (from RGB).
Result<DevicePixels> frame_pixels(const FrameFormat& format, Size size, const std::uint64_t (&plane)[2],
                                  const std::int64_t (&pitch)[2], bool writing);

inline bool is_yuv(const DevicePixels& p) { return p.kind == kPixelNv12 || p.kind == kPixelP010; }

}  // namespace enlarge::cuda
