// SPDX-License-Identifier: Apache-2.0
// Runs a graph on float pixels in one line, for tests of backends.
#pragma once

#include <cstring>
#include <string>
#include <vector>

#include "backend/backend.hpp"
#include "support/networks.hpp"

namespace enlarge::test {

// Planar float pixels: channels x height x width.
struct FloatPicture {
    int channels = 3;
    Size size;
    std::vector<float> values;

    FloatPicture() = default;
    FloatPicture(int channel_count, Size s)
        : channels(channel_count),
          size(s),
          values(static_cast<std::size_t>(channel_count) * static_cast<std::size_t>(s.width) *
                 static_cast<std::size_t>(s.height)) {}
    float& at(int c, int x, int y) {
        return values[(static_cast<std::size_t>(c) * static_cast<std::size_t>(size.height) + static_cast<std::size_t>(y)) *
                          static_cast<std::size_t>(size.width) + static_cast<std::size_t>(x)];
    }
    [[nodiscard]] float at(int c, int x, int y) const { return const_cast<FloatPicture*>(this)->at(c, x, y); }

    MutableImageView view() {
        MutableImageView v{{SampleType::f32, 32, static_cast<std::uint8_t>(channels), true}, size, {}, {}};
        for (int c = 0; c < channels; ++c) {
            v.plane[static_cast<std::size_t>(c)] = reinterpret_cast<std::byte*>(&at(c, 0, 0));
            v.stride_bytes[static_cast<std::size_t>(c)] = std::ptrdiff_t{4} * size.width;
        }
        return v;
    }
};

// Smooth shapes with some noise, 0..1; the same for the same seed.
inline FloatPicture random_picture(std::uint64_t seed, int channels, Size size) {
    Random random(seed);
    FloatPicture picture(channels, size);
    for (int c = 0; c < channels; ++c) {
        const float fx = random.uniform(0.02F, 0.3F), fy = random.uniform(0.02F, 0.3F), phase = random.uniform(0, 6.28F);
        for (int y = 0; y < size.height; ++y)
            for (int x = 0; x < size.width; ++x)
                picture.at(c, x, y) = 0.5F + 0.4F * std::sin(fx * static_cast<float>(x) + fy * static_cast<float>(y) + phase) +
                                      random.uniform(-0.1F, 0.1F);
    }
    return picture;
}

// The part `core` of the network's output for the part `in` of a picture, as a tile is run.
inline FloatPicture run_tile(Session& session, const ProgramInfo& info, FloatPicture& picture, const Rect& in, const Rect& core) {
    FloatPicture out(info.channels, {core.width * info.scale, core.height * info.scale});
    const TileReport report =
        must(session.run({picture.view().part(in), {core.x - in.x, core.y - in.y, core.width, core.height}, out.view()}));
    if (!report.finite) {
        std::cerr << "the tile is not finite" << std::endl;
        std::abort();
    }
    return out;
}

// The whole picture in one tile.
inline FloatPicture run_whole(const Backend& backend, const Graph& graph, FloatPicture picture, ThreadPool* pool = nullptr,
                              Precision precision = Precision::fp32) {
    CompileOptions options;
    options.pool = pool;
    options.precision = precision;
    const auto program = must(backend.compile(graph, options));
    const auto session = must(program->session());
    const Rect all{0, 0, picture.size.width, picture.size.height};
    return run_tile(*session, program->info(), picture, all, all);
}

// Runs tile by tile with the halo and alignment that the program states, cores of about `side`.
inline FloatPicture run_tiled(const Program& program, FloatPicture picture, int side) {
    const ProgramInfo& info = program.info();
    const auto session = must(program.session());
    FloatPicture whole(info.channels, {picture.size.width * info.scale, picture.size.height * info.scale});
    const int step = std::max(1, side / info.alignment) * info.alignment;
    for (int y = 0; y < picture.size.height; y += step)
        for (int x = 0; x < picture.size.width; x += step) {
            const Rect core{x, y, std::min(step, picture.size.width - x), std::min(step, picture.size.height - y)};
            const int halo = (info.halo + info.alignment - 1) / info.alignment * info.alignment;
            const int left = std::max(0, x - halo), top = std::max(0, y - halo);
            Rect in{left, top, std::min(picture.size.width, core.right() + halo) - left,
                    std::min(picture.size.height, core.bottom() + halo) - top};
            const FloatPicture part = run_tile(*session, info, picture, in, core);
            for (int c = 0; c < info.channels; ++c)
                for (int row = 0; row < part.size.height; ++row)
                    std::memcpy(&whole.at(c, x * info.scale, y * info.scale + row), &part.values[(static_cast<std::size_t>(c) *
                                static_cast<std::size_t>(part.size.height) + static_cast<std::size_t>(row)) *
                                static_cast<std::size_t>(part.size.width)], sizeof(float) * static_cast<std::size_t>(part.size.width));
        }
    return whole;
}

inline double largest_difference(const FloatPicture& a, const FloatPicture& b) {
    if (a.values.size() != b.values.size()) return 1e9;
    double most = 0;
    for (std::size_t i = 0; i < a.values.size(); ++i) {
        const double difference = std::fabs(static_cast<double>(a.values[i]) - b.values[i]);
        if (!(difference <= most)) most = difference;  // NaN shows
    }
    return most;
}

inline bool same_bits(const FloatPicture& a, const FloatPicture& b) {
    return a.values.size() == b.values.size() &&
           std::memcmp(a.values.data(), b.values.data(), a.values.size() * sizeof(float)) == 0;
}

}  // namespace enlarge::test
