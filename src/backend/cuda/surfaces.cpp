// SPDX-License-Identifier: Apache-2.0
#include "backend/cuda/surfaces.hpp"

#include <cstring>

namespace enlarge::cuda {
namespace {

// Luma weights of red and blue.
Result<std::array<double, 2>> luma_weights(std::uint8_t matrix) {
    switch (matrix) {
        case 1: return std::array<double, 2>{0.2126, 0.0722};
        case 4: return std::array<double, 2>{0.30, 0.11};
        case 5:
        case 6: return std::array<double, 2>{0.299, 0.114};
        case 7: return std::array<double, 2>{0.212, 0.087};
        case 9: return std::array<double, 2>{0.2627, 0.0593};
        default: return Error{Errc::unsupported, "CUDA: colour matrix " + std::to_string(matrix)};
    }
}

// Rows of one plane between a frame and its staging; `width` samples.
template <class Sample>
void copy_row(const Sample* from, Sample* to, int width, int left, int right) {
    if (left == 0 && right == 0) {
        std::memcpy(to, from, static_cast<std::size_t>(width) * sizeof(Sample));
        return;
    }
    for (int x = 0; x < width; ++x) to[x] = static_cast<Sample>(from[x] << left >> right);
}

template <class Sample>
const Sample* row_of(const FrameSurface& f, std::size_t plane, int y) {
    return reinterpret_cast<const Sample*>(f.plane[plane] + static_cast<std::uint64_t>(f.pitch_bytes[plane] * y));
}

template <class Sample>
void pack(const FrameSurface& f, const FrameStaging& s, std::byte* to) {
    const int shift = f.format.bits > 8 && !f.format.high_bits ? 16 - f.format.bits : 0, half = (s.size.width + 1) / 2;
    for (int y = 0; y < s.size.height; ++y, to += s.pitch) copy_row(row_of<Sample>(f, 0, y), reinterpret_cast<Sample*>(to), s.size.width, shift, 0);
    for (int y = 0; y < (s.size.height + 1) / 2; ++y, to += s.pitch) {
        auto* uv = reinterpret_cast<Sample*>(to);
        if (f.format.semi_planar) {
            copy_row(row_of<Sample>(f, 1, y), uv, 2 * half, shift, 0);
            continue;
        }
        const Sample *u = row_of<Sample>(f, 1, y), *v = row_of<Sample>(f, 2, y);
        for (int x = 0; x < half; ++x) {
            uv[2 * x] = static_cast<Sample>(u[x] << shift);
            uv[2 * x + 1] = static_cast<Sample>(v[x] << shift);
        }
    }
}

template <class Sample>
void unpack(const std::byte* from, const FrameStaging& s, const FrameSurface& f) {
    const int shift = f.format.bits > 8 && !f.format.high_bits ? 16 - f.format.bits : 0, half = (s.size.width + 1) / 2;
    const auto row = [&](std::size_t plane, int y) { return const_cast<Sample*>(row_of<Sample>(f, plane, y)); };
    for (int y = 0; y < s.size.height; ++y, from += s.pitch) copy_row(reinterpret_cast<const Sample*>(from), row(0, y), s.size.width, 0, shift);
    for (int y = 0; y < (s.size.height + 1) / 2; ++y, from += s.pitch) {
        const auto* uv = reinterpret_cast<const Sample*>(from);
        if (f.format.semi_planar) {
            copy_row(uv, row(1, y), 2 * half, 0, shift);
            continue;
        }
        Sample *u = row(1, y), *v = row(2, y);
        for (int x = 0; x < half; ++x) {
            u[x] = static_cast<Sample>(uv[2 * x] >> shift);
            v[x] = static_cast<Sample>(uv[2 * x + 1] >> shift);
        }
    }
}

}  // namespace

Staging staging_of(const PixelFormat& format, Size size) {
    Staging s{format, size, 0};
    s.pitch = (s.row_bytes() + 15) / 16 * 16;
    return s;
}

DevicePixels device_pixels(const Staging& s, std::uint64_t at) {
    DevicePixels p{};
    for (int i = 0; i < s.planes(); ++i) {
        p.plane[i] = at + static_cast<std::uint64_t>(i) * s.plane_bytes();
        p.pitch[i] = static_cast<std::int64_t>(s.pitch);
    }
    constexpr std::array<PixelKind, 4> kinds{kPixelU8, kPixelU16, kPixelF16, kPixelF32};
    p.kind = kinds[static_cast<std::size_t>(s.format.sample)];
    p.channels = s.format.channels;
    p.planar = s.format.planar;
    p.width = s.size.width;
    p.height = s.size.height;
    p.range = static_cast<float>(max_value(s.format));
    return p;
}

void pack_picture(const ImageView& picture, const Staging& staging, std::byte* to) {
    for (int p = 0; p < staging.planes(); ++p)
        for (int y = 0; y < staging.size.height; ++y, to += staging.pitch)
            std::memcpy(to, picture.row(p, y), staging.row_bytes());
}

void unpack_picture(const std::byte* from, const Staging& staging, const MutableImageView& picture) {
    for (int p = 0; p < staging.planes(); ++p)
        for (int y = 0; y < staging.size.height; ++y, from += staging.pitch)
            std::memcpy(picture.row(p, y), from, staging.row_bytes());
}

FrameStaging frame_staging(const FrameFormat& format, Size size) {
    FrameStaging s{format, size, 0, {0, 0}};
    const int bytes = (size.width + 1) / 2 * 2 * (format.bits > 8 ? 2 : 1);
    s.pitch = (bytes + 15) / 16 * 16;
    s.rows[0] = static_cast<std::uint64_t>(size.height);
    s.rows[1] = static_cast<std::uint64_t>((size.height + 1) / 2);
    return s;
}

void pack_frame(const FrameSurface& frame, const FrameStaging& staging, std::byte* to) {
    frame.format.bits > 8 ? pack<std::uint16_t>(frame, staging, to) : pack<std::uint8_t>(frame, staging, to);
}
void unpack_frame(const std::byte* from, const FrameStaging& staging, const FrameSurface& frame) {
    frame.format.bits > 8 ? unpack<std::uint16_t>(from, staging, frame) : unpack<std::uint8_t>(from, staging, frame);
}

Result<void> check_frame(const FrameFormat& format) {
    if (format.family != FrameFamily::yuv || format.alpha || format.sub_x != 1 || format.sub_y != 1 ||
        (format.bits != 8 && format.bits != 10))
        return Error{Errc::unsupported, "CUDA: frames must be 4:2:0 of 8 or 10 bits"};
    if (format.tags.siting != ChromaSiting::left && format.tags.siting != ChromaSiting::center)
        return Error{Errc::unsupported, "CUDA: chroma must lie left or in the centre"};
    TRY(luma_weights(format.tags.matrix));
    return {};
}

Result<DevicePixels> frame_pixels(const FrameFormat& format, Size size, const std::uint64_t (&plane)[2],
                                  const std::int64_t (&pitch)[2], bool writing) {
    TRY(check_frame(format));
    const bool nv12 = format.bits == 8;
    DevicePixels p{};
    for (int i = 0; i < 2; ++i) {
        p.plane[i] = plane[i];
        p.pitch[i] = pitch[i];
    }
    p.kind = nv12 ? kPixelNv12 : kPixelP010;
    p.channels = 3;
    p.width = size.width;
    p.height = size.height;
    const double top = nv12 ? 255 : 1023;
    p.scale = static_cast<float>(1 / top);
    p.chroma_x = format.tags.siting == ChromaSiting::left ? 0.0F : 0.5F;
    p.chroma_y = 0.5F;
    TRY(const auto weights, luma_weights(format.tags.matrix));
    const double kr = weights[0], kb = weights[1], kg = 1 - kr - kb, unit = nv12 ? 1 : 4;
    const bool full = format.tags.range == Range::full;
    const double y_scale = (full ? top : 219 * unit) / top, y_shift = (full ? 0 : 16 * unit) / top;
    const double c_scale = (full ? top : 224 * unit) / top, c_shift = 128 * unit / top;
    const double to_yuv[3][3] = {{kr, kg, kb},
                                 {-0.5 * kr / (1 - kb), -0.5 * kg / (1 - kb), 0.5},
                                 {0.5, -0.5 * kg / (1 - kr), -0.5 * kb / (1 - kr)}};
    if (writing) {
        for (int r = 0; r < 3; ++r) {
            for (int c = 0; c < 3; ++c) p.matrix[r * 4 + c] = static_cast<float>(to_yuv[r][c] * (r ? c_scale : y_scale));
            p.matrix[r * 4 + 3] = static_cast<float>(r ? c_shift : y_shift);
        }
    } else {
        const double from_u[3] = {0, -2 * kb * (1 - kb) / kg, 2 * (1 - kb)}, from_v[3] = {2 * (1 - kr), -2 * kr * (1 - kr) / kg, 0};
        for (int r = 0; r < 3; ++r) {
            p.matrix[r * 4] = static_cast<float>(1 / y_scale);
            p.matrix[r * 4 + 1] = static_cast<float>(from_u[r] / c_scale);
            p.matrix[r * 4 + 2] = static_cast<float>(from_v[r] / c_scale);
            p.matrix[r * 4 + 3] = static_cast<float>(-y_shift / y_scale - (from_u[r] + from_v[r]) * c_shift / c_scale);
        }
    }
    return p;
}

}  // namespace enlarge::cuda
